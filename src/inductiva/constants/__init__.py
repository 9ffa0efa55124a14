"""Numbers that more than one module of the SDK uses."""

HOME_DIRECTORY_NAME = ".inductiva"
TASK_KILL_MAX_API_REQUESTS = 5
TASK_KILL_RETRY_SLEEP_SEC = 1.0
MAX_CONFIRMATION_LINES = 5
FAILED_TASK_LOG_LINES = 10
DEFAULT_OUTPUT_DIR = "inductiva_output"
INPUT_PREFIX = "sim_dir/"
OUTPUT_PREFIX = "artifacts/"
STANDARD_STREAMS = ("stdout.txt", "stderr.txt")
