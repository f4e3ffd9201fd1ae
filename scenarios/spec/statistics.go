package spec

// Errors are error rates: chances above 0 and below 0.5. What is unset is the check's part of the scenario's errors, or else the default.
type Errors struct {
	// FalsePass is the chance to pass although the truth is off by the tolerance or more; 0.01 if unset.
	FalsePass float64 `json:"falsePass,omitempty"`
	// FalseFail is the chance to fail although the truth is within the tolerance; 0.001 if unset.
	FalseFail float64 `json:"falseFail,omitempty"`
	// FalseInconclusive is the chance not to pass although the truth is what is wanted; 0.05 if unset. It decides nothing: it says how many samples
	// are needed, and a load that cannot give them is refused.
	FalseInconclusive float64 `json:"falseInconclusive,omitempty"`
}

// Answer picks requests by what came back. All that is set must hold.
type Answer struct {
	// Status of the answer; 0 is no answer.
	Status *int `json:"status,omitempty"`
	// Success asks for whole answers below 500.
	Success bool `json:"success,omitempty"`
	// Value that the load kept.
	Value string `json:"value,omitempty"`
	// Headers that the answer must have, with these values.
	Headers map[string]string `json:"headers,omitempty"`
}

// Split tests how a load's requests are divided.
type Split struct {
	// Load whose requests are counted.
	Load string `json:"load"`
	// By is what tells them apart: value (default: what the load keeps of an answer), status, header:NAME of the answer, or
	// WORKLOAD.LABEL, for instance reviews.version: a label of the workload that took the call, by the proxies' logs; reviews.workload is the
	// Deployment, reviews.subset the subset that the route led to, also of calls that a fault or a limit stopped.
	By string `json:"by,omitempty"`
	// Want gives each value's share in percent; they sum to 100. Any other value fails.
	Want map[string]float64 `json:"want"`
	// Tolerance in percentage points, for each share.
	Tolerance float64 `json:"tolerance"`
	// Sequential looks after every request, in the order in which they were due, and decides as soon as it can, with the same errors.
	Sequential bool `json:"sequential,omitempty"`
	// Calls is how many calls of that workload one request makes, for planning; 1 if unset.
	Calls int `json:"calls,omitempty"`
	Errors
}

// Rate tests the share of one outcome.
type Rate struct {
	// Load whose requests are counted, or whose requests lead to the calls that are counted: all loads if unset.
	Load string `json:"load,omitempty"`
	// From and To make it count calls between workloads, by the logs of the callers' proxies, instead of requests.
	From string `json:"from,omitempty"`
	// To likewise.
	To string `json:"to,omitempty"`
	Answer
	// Flags that a call must have among its response flags; with from or to.
	Flags string `json:"flags,omitempty"`
	// Traced asks for requests of which proxies recorded spans; the load has sampling: mesh.
	Traced bool `json:"traced,omitempty"`
	// Want is the share wanted, in percent.
	Want float64 `json:"want"`
	// Tolerance in percentage points. Want 0 with a tolerance of 1 says: less than 1 %.
	Tolerance float64 `json:"tolerance"`
	// Sequential looks after every request, in the order in which they were due, and decides as soon as it can, with the same errors.
	Sequential bool `json:"sequential,omitempty"`
	// Calls is how many such calls one request makes, for planning; 1 if unset.
	Calls int `json:"calls,omitempty"`
	Errors
}

// Quantile tests a quantile of a load's latency, counted from when requests were due. A request without a whole answer counts as slower than any
// bound.
type Quantile struct {
	// Load whose latency is tested.
	Load string `json:"load"`
	// Q is the quantile's level: 0.99 is p99. Between 0 and 1.
	Q float64 `json:"q"`
	// Below is what the quantile must be less than. Or else:
	Below Duration `json:"below,omitempty"`
	// Want is the time wanted.
	Want Duration `json:"want,omitempty"`
	// Margin is how far from it is too far.
	Margin Duration `json:"margin,omitempty"`
	// Spread says how clear it is when all is well, in percentage points of the requests: so many more than q are faster than the upper bound, and
	// so many fewer than the lower. Unset: all that are possible for below, half of that for want. It only sets how many samples are needed.
	Spread float64 `json:"spread,omitempty"`
	Errors
}

// Compare tests whether an experiment is like its control. Only what both did while the other ran counts.
type Compare struct {
	// Experiment is a load, or with by one of the values.
	Experiment string `json:"experiment"`
	// Control likewise.
	Control string `json:"control"`
	// Load whose requests are divided, with by.
	Load string `json:"load,omitempty"`
	// By is what tells the experiment's requests from the control's, as in split.
	By string `json:"by,omitempty"`
	// Answer picks the outcome whose share is compared.
	Answer
	// Tolerance is how many percentage points the two shares may not be apart.
	Tolerance float64 `json:"tolerance,omitempty"`
	// OddsRatio is how many times the odds p/(1-p) of one may not be those of the other; of rare outcomes that is nearly how many times as
	// frequent. Above 1.
	OddsRatio float64 `json:"oddsRatio,omitempty"`
	// Expect is the share in percent that both have when all is well. It only sets how many samples are needed; an odds ratio needs one.
	Expect float64 `json:"expect,omitempty"`
	// Q compares a quantile of latency instead of a share: 0.99 is p99.
	Q float64 `json:"q,omitempty"`
	// Ratio is how many times the quantile of one may not be that of the other. Above 1.
	Ratio float64 `json:"ratio,omitempty"`
	// Margin is how far the two quantiles may not be apart.
	Margin Duration `json:"margin,omitempty"`
	// Spread says how clear it is when all is well, in percentage points: so many of the requests lie between the quantile and half the way to being off, on
	// either side. Unset: half of what is possible. It only sets how many samples are needed.
	Spread float64 `json:"spread,omitempty"`
	Errors
}

// Amplification tests how many attempts at a workload a request leads to on average. Requests that do not get there are not counted.
type Amplification struct {
	// Load whose requests are counted.
	Load string `json:"load"`
	// From is whose attempts count; anyone's if unset.
	From string `json:"from,omitempty"`
	// To is the workload that is called.
	To string `json:"to"`
	// Want is the mean wanted, 1 or more.
	Want float64 `json:"want"`
	// Tolerance is how far from it is too far.
	Tolerance float64 `json:"tolerance"`
	// Max is the most attempts that one request can lead to, if rules are as meant: 3 with two retries. One request with more fails.
	Max int `json:"max"`
	Errors
}
