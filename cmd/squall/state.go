package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/proc"
)

// labState is what other commands need to know of a mesh that is up. Only the user can read it, and it goes with
// the lab.
type labState struct {
	Name string
	PID  int
	API  string
	// Host is the socket for runs that attach, App what was named with --app, as an absolute path if it is a file.
	Host, App string
	// Form is what the lab stands on.
	Form    platform.Form
	Gateway string
	// Addons is the address of the add-ons.
	Addons  string
	Proxies []proxyState
	// Baseline is what reset goes back to.
	Baseline []config.File
}

type proxyState struct{ ID, Workload, Admin, Address string }

func statePath(env *environment, name string) string {
	uid := os.Getuid()
	if env.outside != nil {
		uid = env.outside.uid
	}
	return filepath.Join(env.tempDir, fmt.Sprintf("squall-%d-%s.json", uid, name))
}

// saveState says where the lab is. The name is taken as long as the file exists and its process lives.
func saveState(env *environment, name, app string, lab *local.Lab, gateway, addons, dir string, baseline []config.File) (string, error) {
	s := labState{
		Name: name, PID: os.Getpid(), API: filepath.Join(dir, "api.sock"), Host: filepath.Join(dir, local.HostSocket), App: appName(app, "."), Gateway: gateway, Addons: addons, Form: lab.Info().Form, Baseline: baseline,
	}
	if env.outside != nil {
		s.PID = env.outside.pid
	}
	for _, i := range lab.Instances() {
		s.Proxies = append(s.Proxies, proxyState{ID: i.ID(), Workload: i.Name, Admin: i.Admin().Address(), Address: i.Address})
	}
	return writeState(env, s)
}

func writeState(env *environment, s labState) (string, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("state of the lab: %w", err)
	}
	path := statePath(env, s.Name)
	if err := nameIsFree(env, s.Name); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, data, 0o600)
}

// nameIsFree refuses the name of a lab that is up. Inside of namespaces other labs are not seen: it has been asked outside.
func nameIsFree(env *environment, name string) error {
	if old, err := loadState(env, name); err == nil && env.outside == nil && proc.Alive(old.PID) {
		return fmt.Errorf("a lab named %q is up already (process %d): take it down, or choose another --name", name, old.PID)
	}
	return nil
}

func loadState(env *environment, name string) (labState, error) {
	var s labState
	data, err := os.ReadFile(statePath(env, name))
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("no lab named %q is up: start one with squall up --name %s", name, name)
	}
	if err != nil {
		return s, fmt.Errorf("state of the lab: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("state of the lab: %w", err)
	}
	return s, nil
}

func (s labState) client() *mesh.Client { return mesh.NewClient(s.API) }

// proxy finds a proxy by its workload's name, or a part of it that fits only one.
func (s labState) proxy(name string) (proxyState, error) {
	var found []proxyState
	for _, p := range s.Proxies {
		if p.Workload == name || p.ID == name {
			return p, nil
		}
		if strings.HasPrefix(p.Workload, name) {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	var names []string
	for _, p := range s.Proxies {
		names = append(names, p.Workload)
	}
	slices.Sort(names)
	return proxyState{}, fmt.Errorf("no single workload is called %q; there are %s", name, strings.Join(names, ", "))
}
