-- Walks a file of bodies, one a line: each is posted once. Says "over" when all but a reserve of them are answered;
-- what is under way on the connections then is part of the reserve. wrk itself goes on to wait until it is interrupted.

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } instant; int gettimeofday(instant *, void *);")

local bodies, sent, answered, begun_us = {}, 0, 0, 0
local threads = {}

local function now_us()
  local instant = ffi.new("instant")
  ffi.C.gettimeofday(instant, nil)
  return tonumber(instant.s) * 1000000 + tonumber(instant.us)
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    table.insert(bodies, line)
  end
  last = #bodies - tonumber(args[2])
  begun_us = now_us()
end

function request()
  sent = sent + 1
  return wrk.format("POST", "/v1/claims", { ["Content-Type"] = "application/json" }, bodies[sent])
end

function response()
  answered = answered + 1
  if answered == last then
    took_us = now_us() - begun_us
    io.stderr:write("over\n")
    wrk.thread:stop()
  end
end

function done(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do
    failed = failed + count
  end
  io.stderr:write(string.format(
    '{"answered":%d,"took_us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}\n',
    summary.requests, threads[1]:get("took_us"), latency:percentile(50), latency:percentile(99), failed))
end
