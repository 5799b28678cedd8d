-- Requests for wrk: the head of one of a list, a random key, and the tail that belongs to the head.
--
-- Arguments: a file of keys that all have the same number of bytes, that number, a file of heads and tails in turn, each
-- ended by a zero byte, and a seed. At the end, a line of figures that benchmarks/beside/generators.py reads.

local keys, width, count
local heads, tails = {}, {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local content = file:read("*a")
  file:close()
  return content
end

function init(args)
  keys, width = read(args[1]), tonumber(args[2])
  count = #keys / width
  local is_head = true
  for part in read(args[3]):gmatch("([^%z]*)%z") do
    table.insert(is_head and heads or tails, part)
    is_head = not is_head
  end
  math.randomseed(tonumber(args[4]))
end

function request()
  local at = math.random(0, count - 1) * width
  local number = math.random(#heads)
  return heads[number] .. keys:sub(at + 1, at + width) .. tails[number]
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("figures: %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes, failed,
    latency:percentile(50), latency:percentile(99)))
end
