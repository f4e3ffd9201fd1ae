package main

import (
	"github.com/spf13/cobra"
)

// version is set by the linker in releases.
var version = "dev"

func newRoot(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "squall",
		Short: "A wind tunnel for service meshes",
		Long: `squall brings up a whole mesh (a control plane, one real Envoy beside every workload, the Bookinfo app),
applies Istio rules, drives load, breaks things on purpose, and says pass, fail or inconclusive.

Exit codes: 0 pass, 1 fail, 3 invalid input (nothing was started), 4 the lab could not start or broke,
5 inconclusive, 130 Ctrl-C, 143 SIGTERM.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	root.SetIn(env.stdin)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return invalid(err) })
	root.AddCommand(
		newRunCommand(env), newReportCommand(env), newMutantsCommand(env), newBenchCommand(env), newUpCommand(env), newApplyCommand(env), newGetCommand(env), newLogsCommand(env), newGrafanaCommand(env), newExplainCommand(env), newResetCommand(env),
		newDownCommand(env), newValidateCommand(env), newLintCommand(env), newInitCommand(env), newPackCommand(env), newSchemaCommand(env), newDocsCommand(env), newDoctorCommand(env), newTokenCommand(env), newVersionCommand(env),
		newEnvoyInstallCommand(env), newKindImageCommand(env), newInstallCommand(env), newExploreCommand(env), newSimCommand(env),
		newMeshCommand(env), newWatchdogCommand(env), newBookinfoCommand(env), newPodInitCommand(env), newPodCheckCommand(env),
		newAgentCommand(env), newInitNetCommand(), newWebhookCommand(env), newExtAuthzCommand(),
	)
	return root
}
