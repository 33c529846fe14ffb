-- Walks a file of bodies, one a line: each is posted once. The run ends a tenth of a second after all but a reserve of
-- them are answered.

local bodies, sent, answered = {}, 0, 0

function init(args)
  for line in io.lines(args[1]) do
    table.insert(bodies, line)
  end
  last = #bodies - tonumber(args[2])
end

function request()
  sent = sent + 1
  return wrk.format("POST", "/v1/claims", { ["Content-Type"] = "application/json" }, bodies[sent])
end

function response()
  answered = answered + 1
  if answered == last then
    io.popen("kill -INT $PPID"):close() -- wrk itself, which would wait for its time to be over
  end
end

function done(summary, latency)
  local failed = 0
  for _, count in pairs(summary.errors) do
    failed = failed + count
  end
  io.stderr:write(string.format(
    '{"answered":%d,"took_us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
