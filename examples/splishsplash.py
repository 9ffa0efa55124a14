"""Run a dam break with SPlisHSPlasH: get the input, run it on a machine, follow it, take the results home."""

import sys

import inductiva

machine_group = inductiva.resources.MachineGroup("c2-standard-4")
machine_group.start()

input_dir = inductiva.utils.download_from_url(
    "https://storage.googleapis.com/inductiva-api-demo-files/splishsplash-input-example.zip",
    unzip=True,
)

splishsplash = inductiva.simulators.SplishSplash()
task = splishsplash.run(input_dir=input_dir, sim_config_filename="config.json", on=machine_group)
task.set_metadata({"particle_radius": "0.025"})

task.wait()
outputs = task.download_outputs()
machine_group.terminate()

task.print_summary()
if outputs is None or task.is_failed():
    sys.exit(f"The simulation did not succeed; what it printed: inductiva logs {task.id}")

print(f"Output files in {outputs}:")
for path in sorted(outputs.iterdir()):
    count = sum(file.is_file() for file in path.rglob("*")) if path.is_dir() else 0
    print(f"\t{path.name}/ ({count} files)" if path.is_dir() else f"\t{path.name}")

print(f"\nThe particles of every frame are in {outputs}/vtk; ParaView opens them.")
print(f"In another script:  task = inductiva.tasks.Task({task.id!r})")
print(f"In a terminal:      inductiva tasks info {task.id}")
