package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/platform/image"
)

// packReadme is what an archive says of itself.
const packReadme = `This folder runs squall without a network: the program, the Envoy that it runs, and scenarios.

    ./squall doctor
    ./squall run scenarios/%s

squall takes the Envoy beside it before any other, unless --envoy names one.
`

// packed is one file of an archive.
type packed struct {
	name string
	mode int64
	// path of the file, or else its content.
	path string
	text string
}

func newPackCommand(env *environment) *cobra.Command {
	var out, envoyPath, container string
	c := &cobra.Command{
		Use:   "pack [FILE|DIR...]",
		Short: "Put program, Envoy and scenarios into one archive, for a machine without a network",
		Long: `Put this program, the Envoy that it would run, and scenarios into one archive (tar, gzip), for a machine of the same kind that has
no network. Unpack it there and run ./squall in its folder. The same files give the same archive, byte for byte.

FILE and DIR are scenarios, or folders of them with all that lies in them. What they name outside of their folder is refused.

With --image a container image of program and Envoy is written too, or alone without scenarios: an archive for docker load, for
Linux, written without Docker; squall and envoy are in its PATH.

Exit codes: 0 written, 3 invalid input, 4 there is no Envoy or the archive could not be written.`,
		Example: "  squall pack --out squall.tar.gz scenarios/catalog\n  tar -xzf squall.tar.gz && squall/squall run squall/scenarios/catalog/baseline",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && container == "" {
				return invalid(errors.New("what is to be packed? name scenarios, or an --image"))
			}
			if len(args) > 0 {
				if err := pack(c.Context(), env, out, envoyPath, args); err != nil {
					return err
				}
			}
			if container == "" {
				return nil
			}
			return packImage(c.Context(), env, container, envoyPath)
		},
	}
	c.Flags().StringVar(&out, "out", fmt.Sprintf("squall-%s-%s.tar.gz", runtime.GOOS, runtime.GOARCH), "the archive")
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy to pack")
	c.Flags().StringVar(&container, "image", "", "the archive of a container image")
	return c
}

// packImage writes the image that labs of containers run in.
func packImage(ctx context.Context, env *environment, file, envoyPath string) error {
	b, err := findEnvoy(ctx, env, envoyPath)
	if err != nil {
		return err
	}
	i, err := image.New(imagePrograms(env.self, b), "/tmp")
	if err != nil {
		return broken(err)
	}
	err = whole(file, func(w io.Writer) error { return i.Write(w) })
	if err != nil {
		return broken(err)
	}
	_, _ = fmt.Fprintf(env.stdout, "%s: %s, with squall %s and Envoy %s; docker load -i %s\n", file, i.Reference, version, b.Version, file)
	return nil
}

func pack(ctx context.Context, env *environment, out, envoyPath string, args []string) error {
	jobs, err := loadScenarios(env, args)
	if err != nil {
		return invalid(err)
	}
	files, err := packedScenarios(args)
	if err == nil {
		err = complete(jobs, files)
	}
	if err != nil {
		return invalid(err)
	}
	b, err := findEnvoy(ctx, env, envoyPath)
	if err != nil {
		return err
	}
	first := ""
	for _, f := range files {
		if strings.HasSuffix(f.name, ".yaml") {
			first = path.Dir(strings.TrimPrefix(f.name, "scenarios/"))
			break
		}
	}
	files = append(files,
		packed{name: "squall", mode: 0o755, path: env.self},
		packed{name: "envoy", mode: 0o755, path: b.Path},
		packed{name: "README.txt", mode: 0o644, text: fmt.Sprintf(packReadme, first)},
	)
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	if err := whole(out, func(w io.Writer) error { return writeArchive(w, files) }); err != nil {
		return broken(err)
	}
	_, _ = fmt.Fprintf(env.stdout, "%s: squall %s, Envoy %s, %d files of scenarios\n", out, version, b.Version, len(files)-3)
	return nil
}

// complete refuses scenarios that use what would not be in the archive.
func complete(jobs []job, files []packed) error {
	in := map[string]bool{}
	for _, f := range files {
		in[f.path] = true
	}
	var problems diag.List
	for _, j := range jobs {
		var used []string
		for _, source := range j.sources {
			if !strings.Contains(source.Name, "#") { // an inline document stands in the scenario
				used = append(used, source.Name)
			}
		}
		if app := appName(j.file.Spec.App, filepath.Dir(j.file.Name)); filepath.IsAbs(app) {
			used = append(used, app)
			for _, m := range j.app.Manifests {
				used = append(used, filepath.Join(j.appDir, m.Name))
			}
		}
		for _, name := range used {
			abs, err := filepath.Abs(name)
			if err != nil || !in[abs] {
				problems.Errorf("OUTSIDE", diag.Pos{File: j.file.Name}, "the scenario uses %s, which would not be in the archive: name a folder that holds both", name)
			}
		}
	}
	return problems.Err()
}

// packedScenarios finds the files of all scenarios; a folder keeps its name, a file its folder's.
func packedScenarios(args []string) ([]packed, error) {
	var files []packed
	seen := map[string]string{}
	for _, arg := range args {
		root, err := filepath.Abs(arg)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		if info, err := os.Stat(root); err == nil && !info.IsDir() {
			root = filepath.Dir(root)
		}
		base := filepath.Base(root)
		if other, ok := seen[base]; ok && other != root {
			return nil, fmt.Errorf("%s: another folder is called %q as well; give one that holds both", arg, base)
		}
		if seen[base] == root {
			continue
		}
		seen[base] = root
		err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && p != root && strings.HasPrefix(d.Name(), "."):
				return filepath.SkipDir
			case !d.Type().IsRegular():
				return nil
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			files = append(files, packed{name: path.Join("scenarios", base, filepath.ToSlash(rel)), mode: 0o644, path: p})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
	}
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// whole writes a file; one that could not be finished does not stay behind.
func whole(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name) //nolint:gosec // the user names it
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(name)
			err = fmt.Errorf("archive %s: %w", name, err)
		}
	}()
	return write(f)
}

// writeArchive writes files below the folder squall.
func writeArchive(to io.Writer, files []packed) error {
	zipped, err := gzip.NewWriterLevel(to, gzip.BestSpeed) // a quarter of a gigabyte of programs: a little larger, and much sooner done
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	for _, one := range files {
		if err := writePacked(w, one); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

func writePacked(w *tar.Writer, one packed) error {
	var content io.Reader = strings.NewReader(one.text)
	size := int64(len(one.text))
	if one.path != "" {
		f, err := os.Open(one.path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		content, size = f, info.Size()
	}
	// Neither times nor owners, so that the same files give the same archive.
	if err := w.WriteHeader(&tar.Header{Name: "squall/" + one.name, Mode: one.mode, Size: size, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
