"""The one loop: players and their updates, fit, history, checkpoints, devices."""

from gencourse.training.callbacks import SaveSamples, TensorBoard
from gencourse.training.checkpoint import (
    CheckpointError,
    check_destination,
    load_weights,
    read_checkpoint,
    save_weights,
    write_checkpoint,
)
from gencourse.training.checkup import check_data, check_gradients, check_one_batch, check_rate
from gencourse.training.find_rate import RateTest, find_learning_rate
from gencourse.training.fit import Batches, choose_device, fit
from gencourse.training.history import History
from gencourse.training.memory import Memory, activation_bytes, training_memory
from gencourse.training.method import Method, Mover, built_with, seeded
from gencourse.training.processes import LostProcessError, whole_batch
from gencourse.training.profile import Profile, profile
from gencourse.training.scaling import amdahl, best_learning_rate, roofline
from gencourse.training.schedule import Schedule, WarmupCosine, scaled_learning_rate, warmup_cosine
from gencourse.training.update import NonFiniteLossError, Update, adam
from gencourse.training.watch import validate

__all__ = [
    "Batches",
    "CheckpointError",
    "History",
    "LostProcessError",
    "Memory",
    "Method",
    "Mover",
    "NonFiniteLossError",
    "Profile",
    "RateTest",
    "SaveSamples",
    "Schedule",
    "TensorBoard",
    "Update",
    "WarmupCosine",
    "activation_bytes",
    "adam",
    "amdahl",
    "best_learning_rate",
    "built_with",
    "check_data",
    "check_destination",
    "check_gradients",
    "check_one_batch",
    "check_rate",
    "choose_device",
    "find_learning_rate",
    "fit",
    "load_weights",
    "profile",
    "read_checkpoint",
    "roofline",
    "save_weights",
    "scaled_learning_rate",
    "seeded",
    "training_memory",
    "validate",
    "warmup_cosine",
    "whole_batch",
    "write_checkpoint",
]
