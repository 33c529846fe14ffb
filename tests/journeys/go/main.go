// A reader of C2SP tlog-tiles on golang.org/x/mod/sumdb: it knows nothing of this project but the formats.
//
//	reader PLACE VKEY INDEX [OLD]
//
// It opens the checkpoint under PLACE (a directory or a URL) with the verifier key, proves out of the tiles that the
// entry at INDEX is in the tree, and where OLD names the file of an earlier checkpoint, that the tree extends it.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

type place string

func (p place) read(path string) ([]byte, error) {
	if !strings.HasPrefix(string(p), "http") {
		return os.ReadFile(filepath.Join(string(p), filepath.FromSlash(path)))
	}
	answer, err := http.Get(string(p) + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

// The paths of tlog-tiles are those of Go's checksum database without the height, and "entries" for "data".
func path(tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(name, "data/", "entries/", 1)
}

func (p place) Height() int { return height }

func (p place) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := p.read(path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (p place) SaveTiles([]tlog.Tile, [][]byte) {}

func (p place) entry(index, size int64) ([]byte, error) {
	n := index / width
	count := size - n*width
	if count > width {
		count = width
	}
	bundle, err := p.read(path(tlog.Tile{H: height, L: -1, N: n, W: int(count)}))
	if err != nil {
		return nil, err
	}
	for skip := index % width; ; skip-- {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			return nil, fmt.Errorf("bundle %d ends before entry %d", n, index)
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		if skip == 0 {
			return bundle[2:end], nil
		}
		bundle = bundle[end:]
	}
}

func open(data []byte, vkey string) (tree tlog.Tree, err error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, fmt.Errorf("not a root: %q", lines[2])
	}
	copy(tree.Hash[:], root)
	return tree, nil
}

func run(arguments []string) error {
	log, vkey := place(arguments[0]), arguments[1]
	index, err := strconv.ParseInt(arguments[2], 10, 64)
	if err != nil {
		return err
	}
	data, err := log.read("checkpoint")
	if err != nil {
		return err
	}
	tree, err := open(data, vkey)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, log)
	if err := checkRecord(log, tree, index, hashes); err != nil {
		return err
	}
	if len(arguments) > 3 {
		if err := checkTree(arguments[3], vkey, tree, hashes); err != nil {
			return err
		}
	}
	fmt.Printf("size %d root %s\n", tree.N, tree.Hash)
	return nil
}

func checkRecord(log place, tree tlog.Tree, index int64, hashes tlog.HashReader) error {
	entry, err := log.entry(index, tree.N)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveRecord(tree.N, index, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("entry %d is in the tree\n", index)
	return nil
}

func checkTree(file, vkey string, tree tlog.Tree, hashes tlog.HashReader) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	old, err := open(data, vkey)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	fmt.Printf("the tree extends that of size %d\n", old.N)
	return nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: reader PLACE VKEY INDEX [OLD]")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
