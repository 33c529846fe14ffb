/* Has one file call of a process fail: call number `at` of those that touch what lies under FAULTS_UNDER.
   Loaded before the C library (LD_PRELOAD); a test and this share the block in the file FAULTS_CONTROL. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control { int at, error, calls, struck; char name[32]; };
static struct control *control;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    under = getenv("FAULTS_UNDER");
    if (!path || !under) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
    void *block = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) syscall(SYS_close, fd);
    if (block != MAP_FAILED) control = block;
}

static int is_under(const char *path) { return path && strncmp(path, under, strlen(under)) == 0; }

static int is_held_under(int fd) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_under(path);
}

static int strikes(const char *name) {
    if (__atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST) != control->at) return 0;
    control->struck = 1;
    strncpy(control->name, name, sizeof control->name - 1);
    errno = control->error;
    return 1;
}

#define ARMED (control && control->at > 0)
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OF_PATH(type, name, parameters, arguments, path) \
    type name parameters { \
        REAL(name); \
        if (ARMED && is_under(path) && strikes(#name)) return -1; \
        return real arguments; \
    }
#define OF_FD(type, name, parameters, arguments, fd) \
    type name parameters { \
        REAL(name); \
        if (ARMED && is_held_under(fd) && strikes(#name)) return -1; \
        return real arguments; \
    }
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        if (ARMED && is_under(path) && strikes(#name)) return -1; \
        return real(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OF_FD(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), fd)
OF_FD(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), fd)
OF_FD(ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), fd)
OF_FD(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), fd)
OF_FD(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), fd)
OF_FD(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), fd)
OF_FD(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd)
OF_FD(ssize_t, sendfile, (int fd, int from, off_t *at, size_t size), (fd, from, at, size), fd)
OF_FD(ssize_t, sendfile64, (int fd, int from, off64_t *at, size_t size), (fd, from, at, size), fd)
OF_FD(int, fsync, (int fd), (fd), fd)
OF_FD(int, fdatasync, (int fd), (fd), fd)
OF_FD(int, ftruncate, (int fd, off_t size), (fd, size), fd)
OF_FD(int, ftruncate64, (int fd, off64_t size), (fd, size), fd)
OF_FD(int, fchmod, (int fd, mode_t mode), (fd, mode), fd)
OF_FD(int, flock, (int fd, int what), (fd, what), fd)
OF_FD(int, fstat, (int fd, struct stat *found), (fd, found), fd)
OF_FD(int, fstat64, (int fd, struct stat64 *found), (fd, found), fd)
OF_PATH(int, stat, (const char *path, struct stat *found), (path, found), path)
OF_PATH(int, stat64, (const char *path, struct stat64 *found), (path, found), path)
OF_PATH(int, rename, (const char *path, const char *target), (path, target), path)
OF_PATH(int, link, (const char *path, const char *target), (path, target), path)
OF_PATH(int, linkat, (int a, const char *path, int b, const char *target, int flags), (a, path, b, target, flags), path)
OF_PATH(int, unlink, (const char *path), (path), path)
OF_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode), path)
OF_PATH(int, rmdir, (const char *path), (path), path)
OF_PATH(int, chmod, (const char *path, mode_t mode), (path, mode), path)
