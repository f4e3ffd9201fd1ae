package queue_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/squallmesh/squall/mesh/sim/des"
	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/sim/queue"
)

// Each closed formula is compared with the mean of independent replications: Student's interval of 99.9 % must hold it, and must be
// narrow, or the comparison could not fail. The seed is fixed, so a failure repeats.
const (
	confidence   = 0.999
	replications = 20
	// narrow is the largest half-width, as a share of the value.
	narrow = 0.06
	// unit is the mean service time, in which all results are. A nanosecond is a millionth of it.
	unit = time.Millisecond
)

// The events of the test's models.
const (
	arrival des.Kind = iota
	departure
)

// open is a station to which customers come at random, without regard to how it is.
type open struct {
	// load is λ, in arrivals per unit.
	load    float64
	service dist.Distribution
	// customers of each replication that are measured, after a tenth as many that are not.
	customers int
}

// outcome is what the measured customers of a replication met with.
type outcome struct {
	// wait before the service and sojourn with it, in units: means over those that were served.
	wait, sojourn float64
	// waited and refused are shares: of those served, of all.
	waited, refused float64
	// late is the share of those served whose sojourn was longer than limit units.
	late float64
}

type customer struct {
	came     time.Duration
	measured bool
}

// tally sums up outcomes.
type tally struct {
	served, refused, waited, late int
	wait, sojourn                 time.Duration
}

func (c *tally) outcome() outcome {
	n := float64(c.served)
	return outcome{
		wait: float64(c.wait) / float64(unit) / n, sojourn: float64(c.sojourn) / float64(unit) / n,
		waited: float64(c.waited) / n, late: float64(c.late) / n, refused: float64(c.refused) / (n + float64(c.refused)),
	}
}

// run drives one replication. The station's part is in arrive and depart, which return whether the customer was refused, and who left.
type run struct {
	*des.Kernel
	arrivals, services *rand.Rand
	open
	customers []customer // by number of arrival
	tally     tally
	limit     time.Duration
}

func newRun(o open, name string, replication int, limit float64) *run {
	seed := uint64(replication)
	return &run{
		Kernel: des.New(0), arrivals: des.Stream(seed, name+"/arrivals"), services: des.Stream(seed, name+"/services"),
		open: o, limit: time.Duration(limit * float64(unit)), customers: make([]customer, 0, o.customers+o.customers/10+1),
	}
}

// each calls arrive for every customer that comes and depart at every departure, until the last customer has come.
func (r *run) each(arrive func(who uint32, measured bool), depart func(who uint32)) outcome {
	between := func() time.Duration {
		return time.Duration(math.Round(r.arrivals.ExpFloat64() / r.load * float64(unit)))
	}
	r.After(between(), arrival, 0)
	for {
		e, ok := r.Next(des.Forever)
		if !ok {
			return r.tally.outcome()
		}
		if e.Kind == departure {
			depart(e.Who)
			continue
		}
		measured := len(r.customers) >= r.open.customers/10
		r.customers = append(r.customers, customer{e.At, measured})
		arrive(e.Who, measured)
		if int(e.Who) < r.open.customers+r.open.customers/10 {
			r.After(between(), arrival, e.Who+1)
		}
	}
}

// fcfs is a replication of a station that serves in order of arrival.
func (o open) fcfs(name string, replication, servers, room int, limit float64) outcome {
	r := newRun(o, name, replication, limit)
	station := queue.NewFCFS(servers, room)
	serve := func(who uint32) {
		c := r.customers[who]
		service := r.service.Draw(r.services)
		if c.measured {
			wait := r.Now() - c.came
			r.tally.served++
			r.tally.wait += wait
			r.tally.sojourn += wait + service
			if wait > 0 {
				r.tally.waited++
			}
			if wait+service > r.limit {
				r.tally.late++
			}
		}
		r.After(service, departure, who)
	}
	return r.each(func(who uint32, measured bool) {
		switch station.Arrive(who) {
		case queue.Starts:
			serve(who)
		case queue.Refused:
			if measured {
				r.tally.refused++
			}
		case queue.Waits:
		}
	}, func(uint32) {
		if next, ok := station.Done(); ok {
			serve(next)
		}
	})
}

// sharing is a replication of a station that serves all at once.
func (o open) sharing(name string, replication, processors int) outcome {
	r := newRun(o, name, replication, 0)
	station := queue.NewSharing(processors)
	var next des.Timer
	reschedule := func() {
		r.Cancel(next)
		if at, ok := station.Next(); ok {
			next = r.Timer(at, departure, 0)
		}
	}
	return r.each(func(who uint32, _ bool) {
		station.Arrive(r.Now(), who, r.service.Draw(r.services))
		reschedule()
	}, func(uint32) {
		if c := r.customers[station.Done(r.Now())]; c.measured {
			r.tally.served++
			r.tally.sojourn += r.Now() - c.came
		}
		reschedule()
	})
}

// interval is Student's, of the mean of independent replications.
func interval(values []float64) (mean, half float64) {
	mean, sd := stat.MeanStdDev(values, nil)
	n := float64(len(values))
	return mean, distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1+confidence)/2) * sd / math.Sqrt(n)
}

// agree compares what the replications found with what theory says, by name.
func agree(t *testing.T, replicate func(replication int) outcome, theory map[string]float64) {
	t.Helper()
	found := map[string][]float64{}
	for i := range replications {
		o := replicate(i)
		for name, value := range map[string]float64{
			"wait": o.wait, "sojourn": o.sojourn, "waited": o.waited, "refused": o.refused, "late": o.late,
		} {
			found[name] = append(found[name], value)
		}
	}
	for name, want := range theory {
		mean, half := interval(found[name])
		t.Logf("%s: %.4f ± %.4f, theory %.4f", name, mean, half, want)
		require.InDelta(t, want, mean, half, "%s is off", name)
		require.Less(t, half, narrow*want, "%s: too wide to tell", name)
	}
}

func must(t *testing.T, d dist.Distribution, err error) dist.Distribution {
	t.Helper()
	require.NoError(t, err)
	return d
}

func memoryless(t *testing.T) dist.Distribution {
	t.Helper()
	d, err := dist.Exponential(unit)
	return must(t, d, err)
}

// erlangB is the share refused by c servers without room at an offered load a: B₀ = 1, B_k = a·B_{k-1} / (k + a·B_{k-1}).
func erlangB(c int, a float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	return b
}

// erlangC is the share that waits for c servers at an offered load a < c: B / (1 - ρ(1-B)).
func erlangC(c int, a float64) float64 {
	b := erlangB(c, a)
	return b / (1 - a/float64(c)*(1-b))
}

// full is the share refused by c servers with room for q, Poisson arrivals and exponential services: p_K of the birth and death process.
func full(c, q int, a float64) float64 {
	p, sum := 1.0, 1.0
	for k := 1; k <= c+q; k++ {
		p *= a / float64(min(k, c))
		sum += p
	}
	return p / sum
}

func TestMM1(t *testing.T) {
	for _, load := range []float64{0.3, 0.5, 0.7, 0.8} {
		t.Run(fmt.Sprint(load), func(t *testing.T) {
			// A busy station forgets slowly.
			o := open{load: load, service: memoryless(t), customers: int(30_000 / (1 - load))}
			// It is exponential itself: its quantile q is W·ln(1/(1-q)).
			sojourn := 1 / (1 - load)
			agree(t, func(i int) outcome { return o.fcfs(t.Name(), i, 1, queue.Unbounded, sojourn*math.Log(10)) },
				map[string]float64{"sojourn": sojourn, "wait": load * sojourn, "waited": load, "late": 0.1})
		})
	}
}

func TestMMc(t *testing.T) {
	for _, c := range []struct {
		servers   int
		load      float64
		customers int
	}{{2, 1, 80_000}, {5, 3, 80_000}, {10, 7, 160_000}} {
		t.Run(fmt.Sprintf("%d/%v", c.servers, c.load), func(t *testing.T) {
			o := open{load: c.load, service: memoryless(t), customers: c.customers}
			waits := erlangC(c.servers, c.load)
			agree(t, func(i int) outcome { return o.fcfs(t.Name(), i, c.servers, queue.Unbounded, 0) },
				map[string]float64{"waited": waits, "wait": waits / (float64(c.servers) - c.load)})
		})
	}
}

// The mean wait is ρ(1+cs²)/(2(1-ρ)), after Pollaczek and Khinchine: it needs the mean and the variance of every distribution right.
func TestMG1(t *testing.T) {
	type family struct {
		name string
		cs2  float64
		new  func() (dist.Distribution, error)
	}
	for _, f := range []family{
		{"constant", 0, func() (dist.Distribution, error) { return dist.Constant(unit) }},
		{"Pareto, shape 5", 1.0 / 15, func() (dist.Distribution, error) { return dist.Pareto(unit*4/5, 5) }},
		{"gamma, cv 1|2", 0.25, func() (dist.Distribution, error) { return dist.Gamma(unit, 0.5) }},
		{"log-normal, cv 3|4", 0.5625, func() (dist.Distribution, error) { return dist.LogNormal(unit, 0.75) }},
		{"gamma, cv 3|2", 2.25, func() (dist.Distribution, error) { return dist.Gamma(unit, 1.5) }},
	} {
		for _, load := range []float64{0.3, 0.5, 0.7} {
			t.Run(fmt.Sprintf("%s/%v", f.name, load), func(t *testing.T) {
				d, err := f.new()
				o := open{load: load, service: must(t, d, err), customers: 60_000}
				agree(t, func(i int) outcome { return o.fcfs(t.Name(), i, 1, queue.Unbounded, 0) },
					map[string]float64{"wait": load * (1 + f.cs2) / (2 * (1 - load)), "waited": load})
			})
		}
	}
}

func TestLoss(t *testing.T) {
	for _, c := range []struct {
		servers, room int
		load          float64
	}{{2, 0, 1}, {5, 0, 3}, {10, 0, 7}, {1, 1, 1}, {1, 4, 0.8}, {1, 9, 1.2}, {2, 1, 1.5}, {4, 4, 4}, {10, 5, 12}} {
		t.Run(fmt.Sprintf("M/M/%d/%d at %v", c.servers, c.servers+c.room, c.load), func(t *testing.T) {
			o := open{load: c.load, service: memoryless(t), customers: 30_000}
			want := full(c.servers, c.room, c.load)
			if c.room == 0 {
				require.InDelta(t, erlangB(c.servers, c.load), want, 1e-12)
			}
			agree(t, func(i int) outcome { return o.fcfs(t.Name(), i, c.servers, c.room, 0) }, map[string]float64{"refused": want})
		})
	}
	t.Run("without room only the mean of the services matters", func(t *testing.T) {
		d, err := dist.LogNormal(unit, 2)
		o := open{load: 3, service: must(t, d, err), customers: 60_000}
		agree(t, func(i int) outcome { return o.fcfs(t.Name(), i, 5, 0, 0) }, map[string]float64{"refused": erlangB(5, 3)})
	})
}

func TestProcessorSharing(t *testing.T) {
	for _, load := range []float64{0.3, 0.5, 0.7} {
		t.Run(fmt.Sprintf("only the mean of the services matters/%v", load), func(t *testing.T) {
			d, err := dist.Gamma(unit, 2)
			o := open{load: load, service: must(t, d, err), customers: 60_000}
			agree(t, func(i int) outcome { return o.sharing(t.Name(), i, 1) }, map[string]float64{"sojourn": 1 / (1 - load)})
		})
	}
	for _, load := range []float64{2, 2.5, 3} {
		t.Run(fmt.Sprintf("four processors are as M|M|4/%v", load), func(t *testing.T) {
			o := open{load: load, service: memoryless(t), customers: 60_000}
			want := 1 + erlangC(4, load)/(4-load)
			agree(t, func(i int) outcome { return o.sharing(t.Name(), i, 4) }, map[string]float64{"sojourn": want})
		})
	}
}
