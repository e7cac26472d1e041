"""Recover the HDR environment map that lit a scene from pictures of it.

Importing this sets no Mitsuba variant and starts no backend; it only tells Dr.Jit, if it is not
loaded yet, where a libLLVM is that works.
"""

from envmap_inverse.advice import Information, ViewCoverage, rank_views
from envmap_inverse.backend import point_to_libllvm as _point_to_libllvm
from envmap_inverse.camera_files import read_cameras
from envmap_inverse.cameras import Camera
from envmap_inverse.errors import BackendError, InputError
from envmap_inverse.estimate import Estimate, estimate
from envmap_inverse.images import tonemap
from envmap_inverse.losses import MSE, Censored, Huber, LogMSE, RelativeMSE
from envmap_inverse.optimizers.adam import Adam
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.parameterizations import Direct, Exp, Pyramid, Softplus
from envmap_inverse.priors import Chromaticity, Smoothness, Tikhonov, TotalVariation
from envmap_inverse.problem import Iteration, View
from envmap_inverse.render import render
from envmap_inverse.scene import Scene, load_scene
from envmap_inverse.transport import LightTransport

__all__ = [
    "MSE",
    "Adam",
    "BackendError",
    "Camera",
    "Censored",
    "Chromaticity",
    "Direct",
    "Estimate",
    "Exp",
    "Huber",
    "Information",
    "InputError",
    "Iteration",
    "LightTransport",
    "LogMSE",
    "Pyramid",
    "RelativeMSE",
    "Scene",
    "Smoothness",
    "Softplus",
    "Tikhonov",
    "TotalVariation",
    "Transport",
    "View",
    "ViewCoverage",
    "estimate",
    "load_scene",
    "rank_views",
    "read_cameras",
    "render",
    "tonemap",
]
__version__ = "0.1.0"

_point_to_libllvm(probing=False)
