package authz

import (
	"fmt"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// Match is a rule that a request matches.
type Match struct {
	Policy *model.AuthorizationPolicy
	// Rule is the index among the policy's rules.
	Rule int
}

// Pos is where the rule is written.
func (m *Match) Pos() diag.Pos { return m.Policy.Rules[m.Rule].Pos }

// String names it as Envoy does: ns[default]-policy[ratings]-rule[0].
func (m *Match) String() string { return RuleName(m.Policy, m.Rule) }

// RuleName is the name of a rule in Envoy's configuration, logs and counters (Istio's).
func RuleName(p *model.AuthorizationPolicy, rule int) string {
	return fmt.Sprintf("ns[%s]-policy[%s]-rule[%d]", p.Namespace, p.Name, rule)
}

// Decision is what becomes of a request.
type Decision struct {
	Allowed bool
	// By is the rule that decided: the DENY, or the ALLOW. Nil where no rule matched: then Allowed says whether there was an ALLOW policy
	// that could have.
	By *Match
	// Asked is the CUSTOM rule that matches: before all others its provider decides, which is not known here. Nil where none is asked.
	Asked *Match
	// Audits are the AUDIT policies that match, DryRun what policies on trial would have decided.
	Audits []Match
	DryRun *Decision
}

// Decide holds a request against the policies of a workload.
func Decide(policies []*model.AuthorizationPolicy, r Request) Decision {
	enforced, trial := split(policies)
	d := decide(enforced, &r)
	if len(trial) > 0 {
		t := decide(trial, &r)
		d.DryRun = &t
	}
	return d
}

func split(policies []*model.AuthorizationPolicy) (enforced, trial []*model.AuthorizationPolicy) {
	for _, p := range policies {
		if p.DryRun {
			trial = append(trial, p)
		} else {
			enforced = append(enforced, p)
		}
	}
	return enforced, trial
}

func decide(policies []*model.AuthorizationPolicy, r *Request) Decision {
	var d Decision
	for _, p := range policies {
		if m := first(p, r); m != nil && p.Action == model.Audit {
			d.Audits = append(d.Audits, *m)
		}
	}
	for _, p := range policies {
		if m := first(p, r); m != nil && p.Action == model.Custom && d.Asked == nil {
			d.Asked = m
		}
	}
	for _, p := range policies {
		if m := first(p, r); m != nil && p.Action == model.Deny {
			d.By = m
			return d
		}
	}
	asked := false
	for _, p := range policies {
		if p.Action != model.Allow {
			continue
		}
		asked = true
		if m := first(p, r); m != nil {
			d.Allowed, d.By = true, m
			return d
		}
	}
	d.Allowed = !asked
	return d
}

// first gives the first rule of a policy that matches, or nil.
func first(p *model.AuthorizationPolicy, r *Request) *Match {
	for i, rule := range p.Rules {
		if matches(p, rule, r) {
			return &Match{Policy: p, Rule: i}
		}
	}
	return nil
}
