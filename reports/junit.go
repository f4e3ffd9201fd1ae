package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Line    int           `xml:"line,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes junit.xml: a suite per run, a case per check. What failed is a failure; what is inconclusive or broke is an
// error, never skipped, so that no CI takes it for good. A run whose verdict none of its checks explains (the lab broke, a
// guard rail fired, nothing was judged) has one more case, named "run".
func JUnit(w io.Writer, runs []*record.Run) error {
	all := junitSuites{Name: "squall"}
	var total time.Duration
	for _, r := range runs {
		s := suite(NewResult(r))
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		total += length(r)
		all.Suites = append(all.Suites, s)
	}
	all.Time = junitTime(seconds(total))
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suite(res Result) junitSuite {
	s := junitSuite{
		Name: res.Name, Time: junitTime(res.Seconds),
		Properties: []junitProperty{
			{"title", res.Title},
			{"verdict", string(res.Verdict)},
			{"reason", res.Reason},
			{"seed", strconv.FormatUint(res.Seed, 10)},
			{"platform", res.Versions.Platform},
			{"envoy", res.Versions.Envoy},
			{"squall", res.Versions.Squall},
		},
	}
	if res.Start != nil {
		s.Timestamp = res.Start.Format("2006-01-02T15:04:05")
	}
	checks := res.Checks
	if !slices.ContainsFunc(checks, func(c Check) bool { return c.Verdict == res.Verdict }) {
		run := Check{Name: "run", Verdict: res.Verdict, Reason: res.Reason}
		run.Pos.File = res.File
		checks = append(slices.Clone(checks), run)
	}
	used := map[string]int{}
	for _, c := range checks {
		s.add(res.Name, c, used)
	}
	return s
}

// add counts a case. Readers of JUnit tell cases apart by their names, so that two of one name would be one.
func (s *junitSuite) add(class string, c Check, used map[string]int) {
	name := c.Name
	if used[c.Name]++; used[c.Name] > 1 {
		name = fmt.Sprintf("%s (%d)", c.Name, used[c.Name])
	}
	out := junitCase{Name: name, Class: class, File: c.Pos.File, Line: c.Pos.Line, Time: junitTime(0)}
	problem := &junitProblem{Message: c.Reason, Type: string(c.Verdict), Text: problemText(c)}
	s.Tests++
	switch c.Verdict {
	case record.Pass:
	case record.Fail:
		out.Failure = problem
		s.Failures++
	case record.Inconclusive, record.Error:
		out.Error = problem
		s.Errors++
	default:
		out.Error = problem
		s.Errors++
	}
	s.Cases = append(s.Cases, out)
}

// problemText says where a check is and what it saw.
func problemText(c Check) string {
	lines := []string{where(c) + ": " + c.Reason}
	if c.Phase != "" {
		lines = append(lines, "phase: "+c.Phase)
	}
	if c.Measured != "" {
		lines = append(lines, "measured: "+c.Measured)
	}
	if c.Want != "" {
		lines = append(lines, "want: "+c.Want)
	}
	lines = append(lines, fmt.Sprintf("samples: %d", c.Samples))
	return strings.Join(lines, "\n")
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }
