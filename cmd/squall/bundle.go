package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/record"
)

// recordName is the file in a bundle that holds all that was seen.
const recordName = "record.jsonl.zst"

// nameBundles gives each job a folder below out, by its scenario's name; one that runs again gets a number too.
func nameBundles(out string, jobs []job) {
	if out == "" {
		return
	}
	used := map[string]int{}
	for i := range jobs {
		name := jobs[i].file.Metadata.Name
		if used[name]++; used[name] > 1 {
			name += "-" + strconv.Itoa(used[name])
		}
		jobs[i].bundle = filepath.Join(out, name)
	}
}

// createRecord begins a bundle: the scenario and its rules as they are run, and the file of the run.
func createRecord(j job) (*os.File, error) {
	if err := os.MkdirAll(j.bundle, 0o750); err != nil {
		return nil, fmt.Errorf("folder for reports: %w", err)
	}
	for i, f := range j.sources {
		if err := writeFile(filepath.Join(j.bundle, sourceName(i, f)), shareable(f.Data)); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(filepath.Join(j.bundle, recordName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("record of the run: %w", err)
	}
	return f, nil
}

// sourceName is where a bundle has the file i of a job's sources.
func sourceName(i int, f config.File) string {
	if i == 0 {
		return "scenario.yaml"
	}
	return fmt.Sprintf("rules/%02d-%s", i, filepath.Base(f.Name))
}

// secretDocument finds documents that are a Kubernetes Secret.
var secretDocument = regexp.MustCompile(`(?m)^["']?kind["']?:\s*["']?Secret\b`)

// shareable is a file of YAML without its secrets.
func shareable(data []byte) []byte {
	docs := strings.Split(string(data), "\n---")
	for i, d := range docs {
		if secretDocument.MatchString(d) {
			docs[i] = "\n# A Secret stood here."
			continue
		}
		docs[i] = record.Redact(d)
	}
	return []byte(strings.Join(docs, "\n---"))
}

// writeBundle writes the reports of one run: result.json, report.html, report.md, junit.xml.
func writeBundle(dir string, r *record.Run) error {
	if dir == "" {
		return nil
	}
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"result.json", func(w io.Writer) error { return reports.JSON(w, r) }},
		{"report.html", func(w io.Writer) error { return reports.HTML(w, r) }},
		{"report.md", func(w io.Writer) error { return reports.Markdown(w, r) }},
		{"junit.xml", func(w io.Writer) error { return reports.JUnit(w, []*record.Run{r}) }},
	} {
		if err := writeReport(filepath.Join(dir, file.name), file.write); err != nil {
			return err
		}
	}
	return nil
}

// writeSummary writes what several runs leave behind together: index.json, excluded.json, junit.xml.
func writeSummary(f runFlags, runs []*record.Run) error {
	junit := func(w io.Writer) error { return reports.JUnit(w, runs) }
	if f.junit != "" {
		if err := writeReport(f.junit, junit); err != nil {
			return err
		}
	}
	if f.out == "" {
		return nil
	}
	if err := writeReport(filepath.Join(f.out, "index.json"), func(w io.Writer) error { return reports.Index(w, runs) }); err != nil {
		return err
	}
	excluded, err := json.MarshalIndent(append([]exclusion{}, f.excluded...), "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(f.out, "excluded.json"), excluded); err != nil {
		return err
	}
	return writeReport(filepath.Join(f.out, "junit.xml"), junit)
}

func writeReport(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return writeFile(path, b.Bytes())
}

// writeFile writes a report, with its folder.
func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("folder for reports: %w", err)
	}
	if !bytes.HasSuffix(b, []byte("\n")) {
		b = append(b, '\n')
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	return nil
}
