package virtual

import (
	"slices"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim"
)

// NewMesh is an app's mesh under rules, as a run begins with it, without loads and without logs but those that the options ask for.
// gateway is the id of the ingress gateway's proxy, at which loads arrive.
func NewMesh(app *config.App, rules []config.File, o sim.Options) (mesh *sim.Mesh, gateway string, err error) {
	e := &engine{opts: Options{App: app}}
	if err := e.assemble(slices.Concat(app.Manifests, rules), model.DefaultMesh(), o); err != nil {
		return nil, "", err
	}
	w, _ := e.place.find(gatewayName)
	return e.mesh, w.proxy.ID, nil
}

// assemble makes the mesh of documents, with the apps behind its sidecars.
func (e *engine) assemble(files []config.File, settings *model.Mesh, o sim.Options) error {
	docs, problems := config.Parse(files...)
	if err := problems.Err(); err != nil {
		return err
	}
	e.docs = config.Set{}.With(docs...)
	e.place = newPlaces(e.docs, settings)
	e.snap = model.Snapshot{Mesh: settings, Trust: &model.Trust{}}
	e.mesh = sim.New(o)
	if err := e.apply(); err != nil {
		return err
	}
	for _, w := range e.place.workloads {
		if err := e.startApp(w); err != nil {
			return err
		}
	}
	return nil
}
