package lint

// faultZero finds faults that are at 0 per cent by their rule.
func faultZero(p *pass) {
	for _, r := range p.routes {
		if r.Fault == nil {
			continue
		}
		if d := r.Fault.Delay; d != nil && d.Percent == 0 && r.written("fault.delay.percentage") {
			p.report(r.at("fault.delay.percentage"), "write percentage: {value: 100}, or leave the delay out", "the delay of %s hits 0 %% of the requests: none", d.Fixed)
		}
		if a := r.Fault.Abort; a != nil && a.Percent == 0 && r.written("fault.abort.percentage") {
			p.report(r.at("fault.abort.percentage"), "write percentage: {value: 100}, or leave the abort out", "the abort hits 0 %% of the requests: none")
		}
	}
}

// delayOutsideTimeout finds delays that are meant to show a time-out: the route's own begins when the request is sent, after the
// delay.
func delayOutsideTimeout(p *pass) {
	for _, r := range p.routes {
		if r.Fault == nil || r.Fault.Delay == nil || r.Timeout == 0 || r.Fault.Delay.Percent == 0 {
			continue
		}
		if d := r.Fault.Delay.Fixed; d >= r.Timeout {
			p.report(r.at("fault.delay"), "put the delay on the route of the service that is called next",
				"the delay %s does not bring about the timeout %s of its own route, which begins after it: callers wait %s and get the answer", d, r.Timeout, d)
		}
	}
}
