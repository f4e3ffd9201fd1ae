-- Decides on all hits of one request, and counts them if all are allowed. It is limit.go's arithmetic; what is left and when it resets, the caller
-- works out of the states that this returns.
--
-- KEYS: one a hit. ARGV: the time, then for each hit: algorithm, n, most, step, room. Times are two numbers, seconds and nanoseconds, since one
-- would be rounded. A fixed window has its unit as step and no room; GCRA has n intervals as step, and burst intervals as room.
-- A state is "seconds nanoseconds used". Returned are the states of before; an empty one was never seen.
local function add(s, n, bs, bn)
  n = n + bn
  if n >= 1e9 then
    return s + bs + 1, n - 1e9
  end
  return s + bs, n
end

local function later(s, n, bs, bn)
  return s > bs or s == bs and n > bn
end

local now, nanos = tonumber(ARGV[1]), tonumber(ARGV[2])
local before, after, lives = {}, {}, {}
local allowed = true
for i, key in ipairs(KEYS) do
  local at = 3 + (i - 1) * 7
  local n, most = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local steps, stepn = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local rooms, roomn = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local state = redis.call('GET', key) or ''
  before[i] = state
  local s, ns, used = 0, 0, 0
  if state ~= '' then
    local a, b, c = string.match(state, '^(%d+) (%d+) (%d+)$')
    s, ns, used = tonumber(a), tonumber(b), tonumber(c)
  end
  if ARGV[at] == 'FIXED_WINDOW' then
    if not later(s, ns, now, nanos) then
      s, ns = add(now, nanos, steps, stepn)
      used = 0
    end
    used = used + n
    allowed = allowed and used <= most
  else
    if later(now, nanos, s, ns) then
      s, ns = now, nanos
    end
    s, ns = add(s, ns, steps, stepn)
    local ends, endn = add(now, nanos, rooms, roomn)
    allowed = allowed and n <= most and not later(s, ns, ends, endn)
  end
  after[i] = string.format('%d %d %d', s, ns, used)
  -- Kept a minute longer than it matters: clocks of those who ask may differ by so much.
  lives[i] = math.max(0, s - now) + 60
end
if allowed then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, after[i], 'EX', lives[i])
  end
end
return before
