"""Recover the HDR environment map that lit a scene from pictures of it.

Importing this sets no Mitsuba variant and starts no backend; if Dr.Jit is not loaded yet, it only
points Dr.Jit to a libLLVM and a GPU driver that work.
"""

from envmap_inverse.backend.libcuda import point_to_libcuda as _point_to_libcuda
from envmap_inverse.backend.libllvm import point_to_libllvm as _point_to_libllvm
from envmap_inverse.errors import BackendError, InputError
from envmap_inverse.images import read_image, tonemap, write_image
from envmap_inverse.lights.gaussians import SphericalGaussians, spherical_gaussians
from envmap_inverse.lights.harmonics import SphericalHarmonics, spherical_harmonics
from envmap_inverse.lights.lamps import Lamp, Lamps, find_lamps
from envmap_inverse.lights.sky import SunAndSky, sun_and_sky
from envmap_inverse.losses import (
    MSE,
    Censored,
    Huber,
    LogMSE,
    Loss,
    QuasiLikelihood,
    RelativeMSE,
)
from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.optimizers.least_squares.temporal import Temporal
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.parameterizations import (
    SG,
    SH,
    Direct,
    Exp,
    Parameterization,
    Pyramid,
    Softplus,
    SunSky,
)
from envmap_inverse.planning.information import Information
from envmap_inverse.planning.ranking import ViewCoverage, rank_views
from envmap_inverse.priors import (
    Chromaticity,
    NaturalLight,
    Prior,
    Smoothness,
    Tikhonov,
    TotalVariation,
)
from envmap_inverse.problem.noise import Noise, estimate_noise
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Solution
from envmap_inverse.problem.view import View
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.recording.ray import Ray
from envmap_inverse.refining.choices import Refine, Refined, Within
from envmap_inverse.scene.camera_files import read_cameras
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.meshes import load_mesh
from envmap_inverse.scene.near import NearBox, NearSphere
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.scene.viewpoints import Viewpoint
from envmap_inverse.solving.arguments import explain_arguments as _explain_arguments
from envmap_inverse.solving.distance import Distance, find_distance
from envmap_inverse.solving.estimate import Estimate, estimate
from envmap_inverse.solving.sequence import estimate_sequence
from envmap_inverse.version import __version__ as __version__

__all__ = [
    "MSE",
    "SG",
    "SH",
    "Adam",
    "BackendError",
    "Camera",
    "Censored",
    "Chromaticity",
    "Direct",
    "Distance",
    "Estimate",
    "Exp",
    "Huber",
    "Information",
    "InputError",
    "Iteration",
    "Lamp",
    "Lamps",
    "LightTransport",
    "LogMSE",
    "Loss",
    "NaturalLight",
    "NearBox",
    "NearSphere",
    "Noise",
    "Optimizer",
    "Parameterization",
    "Prior",
    "Problem",
    "Pyramid",
    "QuasiLikelihood",
    "Ray",
    "Refine",
    "Refined",
    "RelativeMSE",
    "Scene",
    "Smoothness",
    "Softplus",
    "Solution",
    "SphericalGaussians",
    "SphericalHarmonics",
    "SunAndSky",
    "SunSky",
    "Temporal",
    "Tikhonov",
    "TotalVariation",
    "Transport",
    "View",
    "ViewCoverage",
    "Viewpoint",
    "Within",
    "estimate",
    "estimate_noise",
    "estimate_sequence",
    "find_distance",
    "find_lamps",
    "load_mesh",
    "load_scene",
    "rank_views",
    "read_cameras",
    "read_image",
    "render",
    "spherical_gaussians",
    "spherical_harmonics",
    "sun_and_sky",
    "tonemap",
    "write_image",
]

_explain_arguments(globals(), __all__)
_point_to_libllvm(probing=False)
_point_to_libcuda()
