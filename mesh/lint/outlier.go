package lint

// defaultMaxEjection is Envoy's max_ejection_percent, which Istio leaves as it is.
const defaultMaxEjection = 10

func (c *cluster) maxEjection() uint32 {
	if p := c.policy.Outlier.MaxEjectionPercent; p != nil {
		return *p
	}
	return defaultMaxEjection
}

// neverEjects finds limits that are reached before the first ejection. Envoy ejects the next host only if
// 100·(ejected+1)/hosts, rounded down, is at most maxEjectionPercent.
func neverEjects(p *pass) {
	for _, c := range p.clusters {
		if c.policy.Outlier == nil || c.hosts == 0 {
			continue
		}
		if share, most := 100/uint32(c.hosts), c.maxEjection(); share > most {
			what := "set"
			if c.policy.Outlier.MaxEjectionPercent == nil {
				what = "Envoy's default"
			}
			p.report(c.at("outlierDetection.maxEjectionPercent"),
				"with so few endpoints write maxEjectionPercent: "+percentFor(c.hosts)+" or more, and minHealthPercent if the last one must serve",
				"outlier detection never ejects: one of the %d endpoints of %s is 100/%d = %d %%, and maxEjectionPercent %d (%s) allows less",
				c.hosts, c.name(), c.hosts, share, most, what)
		}
	}
}

// plainErrorsEject finds detection that is meant for gateway errors alone.
func plainErrorsEject(p *pass) {
	for _, c := range p.clusters {
		o := c.policy.Outlier
		if o != nil && o.Consecutive5xx == nil && o.ConsecutiveGateway != nil && *o.ConsecutiveGateway > 0 {
			p.report(c.at("outlierDetection.consecutiveGatewayErrors"), "add consecutive5xxErrors: 0 if only gateway errors are to eject",
				"consecutive5xxErrors is not set, and Envoy's default stays: five plain 500s in a row eject from %s as well, not only %d of 502, 503 and 504",
				c.name(), *o.ConsecutiveGateway)
		}
	}
}

// nothingEjects finds detection in which everything that could eject is switched off.
func nothingEjects(p *pass) {
	for _, c := range p.clusters {
		o := c.policy.Outlier
		if o != nil && o.Consecutive5xx != nil && *o.Consecutive5xx == 0 &&
			(o.ConsecutiveGateway == nil || *o.ConsecutiveGateway == 0) && !o.SplitLocalOrigin {
			p.report(c.at("outlierDetection.consecutive5xxErrors"), "set one of consecutive5xxErrors and consecutiveGatewayErrors, or leave outlierDetection out",
				"nothing ejects from %s: consecutive5xxErrors is 0 (off), gateway errors eject only if their number is set, and Istio switches success rates off", c.name())
		}
	}
}

// panicUndoesEjection finds a panic threshold that the first ejection crosses. Envoy panics if healthy·100/hosts is below it.
func panicUndoesEjection(p *pass) {
	for _, c := range p.clusters {
		o := c.policy.Outlier
		if o == nil || o.MinHealthPercent == nil || c.hosts < 2 || 100/uint32(c.hosts) > c.maxEjection() {
			continue
		}
		if left := 100 * uint32(c.hosts-1) / uint32(c.hosts); left < *o.MinHealthPercent {
			p.report(c.at("outlierDetection.minHealthPercent"), "lower minHealthPercent, or leave it out to switch panic off as Istio does",
				"an ejection changes nothing: with one of %d endpoints of %s out, 100·%d/%d = %d %% are healthy, less than minHealthPercent %d, and in panic Envoy asks them all, the ejected ones too",
				c.hosts, c.name(), c.hosts-1, c.hosts, left, *o.MinHealthPercent)
		}
	}
}

// ejectionRounded finds ejections that are meant to be shorter than the time between two sweeps, at which alone hosts come
// back.
func ejectionRounded(p *pass) {
	for _, c := range p.clusters {
		o := c.policy.Outlier
		if o == nil || o.BaseEjection == 0 {
			continue
		}
		interval := o.Interval
		if interval == 0 {
			interval = defaultInterval
		}
		if o.BaseEjection < interval {
			p.report(c.at("outlierDetection.baseEjectionTime"), "set interval to at most baseEjectionTime",
				"an ejection of %s does not end after %s: hosts come back at the sweeps alone, one each %s, so up to %s pass",
				c.name(), o.BaseEjection, interval, o.BaseEjection+interval)
		}
	}
}
