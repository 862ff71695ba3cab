-- Script for wrk. Without arguments it repeats the request of the command line; with «pause N» too, after a random pause
-- of up to N ms each; with «put BODY» it puts that. Its other arguments are a file with lines «path token» and a unique word: then it posts a message to
-- each path in order, each with a unique Idempotency-Key.

local targets, word, count = {}, "", 0

function init(arguments)
  if not arguments[1] then return end
  if arguments[1] == "put" then
    wrk.method, wrk.body, wrk.headers["Content-Type"] = "PUT", arguments[2], "application/json"
    return
  end
  word = arguments[2]
  if arguments[1] == "pause" then
    function delay() return math.random(0, tonumber(word)) end
    return
  end
  for path, token in io.open(arguments[1]):read("a*"):gmatch("(%S+) (%S+)") do
    targets[#targets + 1] = { path, "Bearer " .. token }
  end
  function request()
    local target = targets[count % #targets + 1]
    count = count + 1
    local headers = {
      ["Authorization"] = target[2],
      ["Content-Type"] = "application/json",
      ["Idempotency-Key"] = word .. "-" .. count,
    }
    return wrk.format("POST", target[1], headers, '{"content": "Where is it warm in May?"}')
  end
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "failed": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
