"""Models of the wire under the import path that scripts use."""

from inductiva.protocol.compute import MachineGroupStatus, MachineGroupType
from inductiva.protocol.status import TaskStatusCode
from inductiva.protocol.storage import FileInfo, OperationType, ZipArchiveInfo
from inductiva.protocol.tasks import CompressionMethod, Executer, TaskMetrics, TaskOperation, TaskStatusInfo
from inductiva.protocol.users import Quota, QuotaScope, User

__all__ = [
    "CompressionMethod",
    "Executer",
    "FileInfo",
    "MachineGroupStatus",
    "MachineGroupType",
    "OperationType",
    "Quota",
    "QuotaScope",
    "TaskMetrics",
    "TaskOperation",
    "TaskStatusCode",
    "TaskStatusInfo",
    "User",
    "ZipArchiveInfo",
]
