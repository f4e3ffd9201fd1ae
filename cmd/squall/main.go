// Command squall is a wind tunnel for service meshes.
package main

import "os"

func main() { os.Exit(run(osEnvironment())) }
