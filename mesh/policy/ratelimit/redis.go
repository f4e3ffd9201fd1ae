package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/squallmesh/squall/mesh/policy/quota"
)

//go:embed redis.lua
var takeSource string

var takeScript = redis.NewScript(takeSource)

// keyPrefix begins all keys. The braces keep them in one slot of a cluster, since one script reads several.
const keyPrefix = "{squall.quotas}:"

// Patience of a Redis: shorter than that of the proxies that wait for an answer (1 s).
const (
	redisDial  = 400 * time.Millisecond
	redisReply = 800 * time.Millisecond
)

// Redis is a Store that several control planes share. Each decision is one script, which Redis runs by itself, so that it is exact however many
// ask. Counts outlive control planes, and those of a key that nobody asks for are gone a minute after they ended to matter.
//
// A Redis that evicts keys gives callers their requests back; run it with maxmemory-policy noeviction (its default).
type Redis struct {
	client *redis.Client
	now    func() time.Time
}

// RedisOptions of a connection.
type RedisOptions struct {
	// URL is redis://HOST:PORT/DATABASE, rediss:// over TLS, or unix:///PATH?db=DATABASE. It has no password.
	URL string
	// Password, or empty.
	Password string
	// Now is the clock; nil takes time.Now. Those of all who share a Redis must agree: what they differ by, a window may begin too early.
	Now func() time.Time
}

// ErrPasswordInURL refuses a URL with a password, which lists of processes and logs would show.
var ErrPasswordInURL = errors.New("the URL has a password, which lists of processes would show")

// NewRedis gives a store that connects when it is asked for the first time. Close it.
func NewRedis(o RedisOptions) (*Redis, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, errors.New("that is no URL") // its text may have a password
	}
	if _, has := u.User.Password(); has {
		return nil, ErrPasswordInURL
	}
	parsed, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, err
	}
	parsed.Password = o.Password
	parsed.DialTimeout, parsed.ReadTimeout, parsed.WriteTimeout = redisDial, redisReply, redisReply
	parsed.ContextTimeoutEnabled = true
	// A script whose answer was lost may have counted: to send it again would count twice.
	parsed.MaxRetries, parsed.DialerRetries = -1, 1
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Redis{client: redis.NewClient(parsed), now: o.Now}, nil
}

// Ping says why the Redis cannot be asked, or nil.
func (r *Redis) Ping(ctx context.Context) error { return r.client.Ping(ctx).Err() }

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Take is Store's.
func (r *Redis) Take(ctx context.Context, hits []quota.Hit) ([]quota.Decision, error) {
	if len(hits) == 0 {
		return nil, nil
	}
	now := r.now()
	keys := make([]string, len(hits))
	args := []any{now.Unix(), now.Nanosecond()}
	for i, h := range hits {
		keys[i] = keyPrefix + h.Key
		most, step, room := h.Limit.Requests, h.Limit.Unit, time.Duration(0)
		if h.Limit.Algorithm == quota.GCRA {
			most = h.Limit.Capacity()
			step, room = h.Limit.Interval()*time.Duration(min(h.N, most+1)), h.Limit.Interval()*time.Duration(most)
		}
		args = append(args, string(h.Limit.Algorithm), h.N, most, seconds(step), nanos(step), seconds(room), nanos(room))
	}
	before, err := takeScript.Run(ctx, r.client, keys, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", withoutAddress(err))
	}
	if len(before) != len(hits) {
		return nil, fmt.Errorf("redis: %d states of %d keys", len(before), len(hits))
	}
	out := make([]quota.Decision, len(hits))
	for i, h := range hits {
		s, err := parseState(before[i])
		if err != nil {
			return nil, err
		}
		_, out[i] = h.Limit.Take(s, now, h.N)
	}
	return out, nil
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
func nanos(d time.Duration) int64   { return int64(d % time.Second) }

// parseState reads what the script writes.
func parseState(text string) (quota.State, error) {
	if text == "" {
		return quota.State{}, nil
	}
	fields := strings.Fields(text)
	var n [3]int64
	for i := range n {
		var err error
		if len(fields) != len(n) {
			err = strconv.ErrSyntax
		} else {
			n[i], err = strconv.ParseInt(fields[i], 10, 64)
		}
		if err != nil {
			return quota.State{}, fmt.Errorf("redis: %q is no state of a limit", text)
		}
	}
	return quota.State{Until: time.Unix(n[0], n[1]), Used: uint32(n[2])}, nil
}

// withoutAddress says what is wrong with a connection in the words that are of use to a proxy's log.
func withoutAddress(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// scanned is how many keys are looked at in one go.
const scanned = 1000

// Forget is Store's. Several who share a Redis should have the same limits: what one forgets, all do.
func (r *Redis) Forget(ctx context.Context, prefix string) error {
	keys := r.client.Scan(ctx, 0, globbed.Replace(keyPrefix+prefix)+"*", scanned).Iterator()
	var found []string
	drop := func() error {
		if len(found) == 0 {
			return nil
		}
		err := r.client.Unlink(ctx, found...).Err()
		found = found[:0]
		return err
	}
	for keys.Next(ctx) {
		if found = append(found, keys.Val()); len(found) == scanned {
			if err := drop(); err != nil {
				return fmt.Errorf("redis: %w", err)
			}
		}
	}
	if err := errors.Join(keys.Err(), drop()); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// globbed quotes what has a meaning in a pattern of Redis.
var globbed = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
