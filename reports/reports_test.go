package reports_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/record"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files")
	look   = flag.String("look", "", "write a larger HTML report to this file, to be looked at")
)

func runs() map[string]*record.Run {
	return map[string]*record.Run{
		"pass": passing(), "fail": failing(), "inconclusive": inconclusive(), "error": broken(), "empty": {},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o600))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./reports -update writes it")
	require.Equal(t, string(want), string(got), "%s: after a change that is meant, go test ./reports -update", path)
}

// Every format of every kind of run is as it was, the same each time, and without secrets.
func TestGolden(t *testing.T) {
	formats := map[string]func(io.Writer, *record.Run) error{
		"result.json": reports.JSON,
		"report.md":   reports.Markdown,
		"report.html": reports.HTML,
		"junit.xml":   func(w io.Writer, r *record.Run) error { return reports.JUnit(w, []*record.Run{r}) },
		"report.txt":  func(w io.Writer, r *record.Run) error { return reports.Text(w, r, false) },
	}
	for verdict, r := range runs() {
		for file, write := range formats {
			t.Run(verdict+"/"+file, func(t *testing.T) {
				var a, b bytes.Buffer
				require.NoError(t, write(&a, r))
				require.NoError(t, write(&b, r))
				require.Equal(t, a.String(), b.String())
				golden(t, verdict+"/"+file, a.Bytes())
				for _, secret := range []string{"eyJ", "session=abc", "token=hidden"} {
					require.NotContains(t, a.String(), secret)
				}
			})
		}
	}
}

func TestIndexAndExitCode(t *testing.T) {
	all := runs()
	var b bytes.Buffer
	require.NoError(t, reports.Index(&b, []*record.Run{all["pass"], all["inconclusive"], all["fail"], all["error"]}))
	golden(t, "index.json", b.Bytes())
	var entries []map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &entries))
	require.Equal(t, "broken", entries[0]["name"])

	b.Reset()
	require.NoError(t, reports.Index(&b, nil))
	require.Equal(t, "[]\n", b.String())

	code := func(names ...string) int {
		var list []*record.Run
		for _, n := range names {
			list = append(list, all[n])
		}
		return reports.ExitCode(list)
	}
	require.Equal(t, 0, code("pass", "pass"))
	require.Equal(t, 5, code("pass", "inconclusive"))
	require.Equal(t, 1, code("inconclusive", "fail", "pass"))
	require.Equal(t, 4, code("fail", "error", "inconclusive"))
	require.Equal(t, 4, code("pass", "empty"), "a run that nobody judged did not pass")
	require.Equal(t, 5, code(), "no runs show nothing")
}

// JUnit's readers see each run that did not pass as such, also without a check that says so.
func TestJUnit(t *testing.T) {
	all := runs()
	aborted := passing()
	aborted.Verdict, aborted.Aborted, aborted.Reason = record.Fail, "success < 50% for 5s", "success < 50% for 5s"
	twins := passing()
	twins.Checks[1].Name = twins.Checks[0].Name
	var b bytes.Buffer
	require.NoError(t, reports.JUnit(&b, []*record.Run{all["pass"], all["fail"], all["inconclusive"], all["error"], all["empty"], aborted, twins}))
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(b.Bytes(), &doc))
	require.Equal(t, 2+2+1+1+1+3+2, doc.Tests)
	require.Equal(t, 2, doc.Failures)
	require.Equal(t, 3, doc.Errors)
	require.Equal(t, "there were no requests in phase slow", doc.Suites[2].Cases[0].Error.Message)
	require.Contains(t, doc.Suites[2].Cases[0].Error.Text, "catalog/inconclusive/scenario.yaml:9:7: ")
	require.Equal(t, "run", doc.Suites[3].Cases[0].Name)
	require.NotNil(t, doc.Suites[5].Cases[2].Failure)
	require.Equal(t, "success of readers (2)", doc.Suites[6].Cases[1].Name)
	for _, s := range doc.Suites {
		for _, c := range s.Cases {
			require.Nil(t, c.Skipped)
		}
	}
}

func TestTextColour(t *testing.T) {
	var b bytes.Buffer
	r := failing()
	r.Checks[1].Name = "evil \x1b[2J\nname"
	require.NoError(t, reports.Text(&b, r, true))
	require.Contains(t, b.String(), "\x1b[31mFAIL\x1b[0m")
	require.NotContains(t, b.String(), "\x1b[2J")
}

// The page asks nobody for anything, whatever is in a run.
func TestHTMLIsSelfContained(t *testing.T) {
	r := synthetic()
	r.Scenario.Spec.Title = `<script src="https://evil.example/x.js"></script><img src=//evil.example>`
	r.Spans[0].Name = `<image href="https://evil.example/x"/>`
	var b bytes.Buffer
	require.NoError(t, reports.HTML(&b, r))
	page := b.String()
	require.NotRegexp(t, regexp.MustCompile(`(?i)<(script|link|iframe|img|image|object|embed|base)\b`), page)
	require.NotRegexp(t, regexp.MustCompile(`(?i)<[^>]*\s(src|href|srcset|action|data|on\w+)\s*=`), page)
	require.NotRegexp(t, regexp.MustCompile(`(?i)(url\(|@import)`), page)
	require.NotContains(t, page, "NaN")
	for _, want := range []string{"Slowest request", "Failed: 503", "Slowest request, failed: timeout", "ratings v1", "p99", "DI × "} {
		require.Contains(t, page, want)
	}
	require.Less(t, len(page), 1<<20)
}

// A load that never got a request, one bucket alone, times outside of the run: nothing is divided by zero or out of range.
func TestHTMLOddRuns(t *testing.T) {
	one := passing()
	one.Results, one.Phases, one.Events, one.Warmup, one.PromQL = one.Results[:1], nil, nil, 0, nil
	one.Results[0].End = one.Results[0].Scheduled.Add(-time.Second)
	never := inconclusive()
	never.Loads = append(never.Loads, loadgen.Summary{Name: "never"})
	zero := &record.Run{Results: []loadgen.Result{{Load: "x"}}}
	for _, r := range []*record.Run{one, never, zero} {
		var b bytes.Buffer
		require.NoError(t, reports.HTML(&b, r))
		require.NotRegexp(t, regexp.MustCompile(`NaN|Inf\b|\d{12,}\.|>-0<`), b.String())
	}
}

func TestLook(t *testing.T) {
	if *look == "" {
		t.Skip("-look FILE writes a page to look at")
	}
	f, err := os.Create(*look)
	require.NoError(t, err)
	require.NoError(t, reports.HTML(f, synthetic()))
	require.NoError(t, f.Close())
}
