-- Makes wrk send payments that are all different: argument 1 is the number of users, 2 a prefix for the ids.
local keys, prefix, number = 1000, "w", 0

function init(args)
  keys = tonumber(args[1]) or keys
  prefix = args[2] or prefix
  math.randomseed(tonumber(args[3]) or 1)
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
end

function request()
  number = number + 1
  local at = os.date("!%Y-%m-%dT%H:%M:%SZ")
  local r = math.random
  return wrk.format(nil, nil, nil, string.format(
    '{"payment_id":"%s-%d","at":"%s","user":"u%d","card":"c%d","device":"d%d","merchant":"m%d","ip":"i%d",' ..
    '"amount":"%d.%02d","method":"card","category":"grocery"}',
    prefix, number, at, r(keys) - 1, r(keys) - 1, r(keys) - 1, r(keys / 10) - 1, r(keys) - 1, r(200), r(100) - 1))
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
