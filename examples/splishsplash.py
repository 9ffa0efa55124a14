"""Run a dam break with SPlisHSPlasH: get the input, run it on a machine, follow it, take the results home."""

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
task.print_summary()

machine_group.terminate()

print(f"Particles of every frame: {outputs}/vtk (open them with ParaView)")
print(f"From another script: inductiva.tasks.Task({task.id!r})")
print(f"From a terminal:     inductiva logs {task.id}")
