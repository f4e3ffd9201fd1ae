package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/record"
)

// writeBundle writes what one run leaves behind: result.json, report.html, report.md, junit.xml.
func writeBundle(out string, r *record.Run) error {
	if out == "" {
		return nil
	}
	dir := filepath.Join(out, r.Scenario.Metadata.Name)
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
	// This platform refuses nothing that a valid scenario can ask for.
	if err := writeFile(filepath.Join(f.out, "excluded.json"), []byte("[]")); err != nil {
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
