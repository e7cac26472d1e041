"""Small valid files of every kind that the command line reads, to be mutated."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import struct
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import OpenEXR
import OpenImageIO
from PIL import ExifTags, Image, ImageCms

from envmap_inverse.cli import main
from envmap_inverse.images import tonemap, write_image
from envmap_inverse.run.checkpoints import Checkpoints
from envmap_inverse.system.sealed_arrays import SEAL_LENGTH

__all__ = ["resuming", "seal", "write_seeds"]

SIZE = 4
"""Pixels along each side of the film and of the references."""

SCENE = f"""<scene version="3.0.0">
    <default name="resolution" value="{SIZE}"/>
    <integrator type="path"><integer name="max_depth" value="3"/></integrator>
    <sensor type="perspective" id="camera">
        <float name="fov" value="40"/>
        <transform name="to_world">
            <lookat origin="0, 0, 4" target="0, 0, 0" up="0, 1, 0"/>
        </transform>
        <film type="hdrfilm">
            <integer name="width" value="$resolution"/>
            <integer name="height" value="$resolution"/>
            <string name="pixel_format" value="rgb"/>
            <rfilter type="box"/>
        </film>
    </sensor>
    BODY
    <emitter type="envmap" id="my_envmap">
        <string name="filename" value="map.exr"/>
    </emitter>
</scene>
"""
MESH = """<shape type="{kind}" id="mesh">
        <string name="filename" value="mutant.{kind}"/>
        <bsdf type="conductor"><string name="material" value="Cu"/></bsdf>
    </shape>"""
SPHERE = '<shape type="sphere"><bsdf type="conductor"/></shape>'
SHAPES = """<bsdf type="twosided" id="rough">
        <bsdf type="roughconductor"><float name="alpha" value="0.2"/></bsdf>
    </bsdf>
    <shape type="sphere" id="ball">
        <point name="center" x="0.1" y="0.2" z="0"/><float name="radius" value="0.7"/>
        <ref id="rough"/>
    </shape>
    <shape type="rectangle">
        <transform name="to_world">
            <scale value="2"/><rotate x="1" angle="-90"/><translate y="-1"/>
        </transform>
        <bsdf type="diffuse">
            <texture type="bitmap" name="reflectance">
                <string name="filename" value="photo.png"/>
            </texture>
        </bsdf>
    </shape>
    <emitter type="point"><rgb name="intensity" value="1, 2, 3"/></emitter>"""
CONFIG = """seed = 3
iterations = 1
learning_rate = 0.05
loss = "MSE"
optimizer = "adam"
prior = ["Smoothness:weight=0.01"]
initial = "0.5"
frames = false
spp = 1
"""
SIDE = 6
"""Vertices along each side of the meshes."""


def write_seeds(folder: Path) -> dict[str, list[Path]]:
    """Write the files; returns those to mutate, by kind."""
    random = np.random.default_rng(1)
    image = random.uniform(0.1, 2, (SIZE, SIZE, 3)).astype(np.float32)
    envmap = random.uniform(0.1, 2, (8, 16, 3)).astype(np.float32)
    write_image(folder / "map.exr", envmap)
    write_image(folder / "reference.exr", image)
    write_image(folder / "photo.png", image)
    for suffix in ("hdr", "npy"):
        write_image(folder / f"map.{suffix}", envmap)
        write_image(folder / f"reference.{suffix}", image)
    np.save(folder / "rgba.npy", np.asfortranarray(np.dstack([image, image[..., 0]]), np.float64))
    _write_exrs(folder, image, envmap)
    _write_pngs(folder, tonemap(image))
    _write_hdrs(folder)
    _write_photographs(folder, tonemap(image), image)
    (folder / "binary.ply").write_bytes(_ply("binary_little_endian"))
    (folder / "big.ply").write_bytes(_ply("binary_big_endian"))
    (folder / "text.ply").write_bytes(_ply("ascii"))
    (folder / "mesh.obj").write_text(_obj())
    (folder / "run.toml").write_text(CONFIG)
    _write_scenes(folder)
    _write_cameras(folder)
    names = {
        "exr": [
            *("reference.exr", "map.exr", "half.exr", "tiled.exr", "parts.exr", "dwa.exr"),
            *("p3.exr", "layer.exr"),
        ],
        "hdr": ["reference.hdr", "map.hdr", "old.hdr", "xyz.hdr"],
        "png": [
            *("photo.png", "palette.png", "deep.png", "alpha.png", "profile.png"),
            "deep-alpha.png",
        ],
        "jpg": ["photo.jpg"],
        "tif": ["lzw.tif", "float.tif", "deep-alpha.tif"],
        "ply": ["binary.ply", "big.ply", "text.ply"],
        "obj": ["mesh.obj"],
        "xml": ["scene.xml", "shapes.xml"],
        "toml": ["run.toml"],
        "npy": ["map.npy", "reference.npy", "rgba.npy"],
        "json": ["transforms.json", "unsized.json"],
        "txt": ["model/cameras.txt", "model/images.txt"],
        "bin": ["binary-model/cameras.bin", "binary-model/images.bin"],
    }
    _write_for_options(folder)
    found = {kind: [folder / name for name in listed] for kind, listed in names.items()}
    return found | {"checkpoint": _interrupt_runs(folder)}


def resuming(checkpoint: str) -> list[str]:
    """The command that goes on from a checkpoint of the folder `out`."""
    optimizer = "adam" if checkpoint == "checkpoint_000002.npz" else "transport"
    return [
        *("estimate", "plain.xml", "reference.exr", "-o", "out", "--resume", "--no-report"),
        *("--optimizer", optimizer, "--spp", "1", "--iterations", "3", "--checkpoint-every", "0"),
    ]


def _write_for_options(folder: Path) -> None:
    """A picture of a ball, a response, a recording, runs that are complete, and a pipe."""
    rows, columns = np.mgrid[-12:12, -12:12] + 0.5
    is_ball = np.hypot(rows, columns) < 9
    write_image(folder / "ball.png", np.repeat(0.1 + 0.4 * is_ball[..., None], 3, axis=2))
    (folder / "response.csv").write_text("value,linear\n0,0\n100,0.2\n255,1\n")
    os.mkfifo(folder / "pipe")
    estimate = ("estimate", "plain.xml", "--optimizer", "transport", "--iterations", "2", "-o")
    for command in (
        ("record", "plain.xml", "-o", "recording.npz", "--spp", "1"),
        (*estimate, "finished", "reference.exr", "--samples", "2", "--ground-truth", "map.exr"),
        (*estimate, "sequence", "reference.exr", "reference.exr", "--sequence"),
    ):
        sys.argv = ["envmap-inverse", "-q", *command, "--trust-input"]
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
            main()


def _interrupt_runs(folder: Path) -> list[Path]:
    """Folders of runs as a kill would leave them; returns their checkpoints and the recording."""
    found = []
    for newest in ("checkpoint_000002.npz", "checkpoint_000003.npz"):
        sys.argv = ["envmap-inverse", "-q", *resuming(newest), "--trust-input"]
        with mock.patch.object(Checkpoints, "remove"), contextlib.suppress(SystemExit):
            main()
        run = (folder / "out").rename(folder / f"run-{newest}")
        (run / "summary.json").unlink()
        for path in run.glob("checkpoint_*.npz"):
            if path.name > newest:
                path.unlink()
        found += [run / newest, *run.glob("transport_*.npz")]
    return found


def seal(path: Path) -> None:
    """Give a mutated file the checksum that its content has, as one would who means harm."""
    data = path.read_bytes()[:-SEAL_LENGTH]
    path.write_bytes(data + hashlib.sha256(data).hexdigest().encode())


def _write_cameras(folder: Path) -> None:
    """The camera of the scenes as a transforms.json, as a COLMAP model, and of unsaid size."""
    matrix = np.eye(4)
    matrix[2, 3] = 4
    frame = {"file_path": "photo.png", "transform_matrix": matrix.tolist()}
    values = {"camera_angle_x": 0.7, "w": SIZE, "h": SIZE, "k1": 0.0, "frames": [frame]}
    (folder / "transforms.json").write_text(json.dumps(values, indent=1))
    del values["w"], values["h"]
    (folder / "unsized.json").write_text(json.dumps(values, indent=1))
    for suffix in ("exr", "hdr", "npy", "png", "jpg", "tif"):
        frame["file_path"] = f"mutant.{suffix}"
        (folder / f"of-{suffix}.json").write_text(json.dumps(values))
    model = folder / "model"
    model.mkdir()
    (model / "cameras.txt").write_text(f"# one\n1 PINHOLE {SIZE} {SIZE} 5.5 5.5 2.0 2.0\n")
    (model / "images.txt").write_text("# one\n1 0 1 0 0 0 0 4 1 photo.png\n\n")
    binary = folder / "binary-model"
    binary.mkdir()
    camera = struct.pack("<QIiQQ4d", 1, 1, 1, SIZE, SIZE, 5.5, 5.5, 2, 2)
    image = struct.pack("<QI7dI", 1, 1, 0, 1, 0, 0, 0, 0, 4, 1) + b"photo.png\0"
    (binary / "cameras.bin").write_bytes(camera)
    (binary / "images.bin").write_bytes(image + struct.pack("<Qddq", 1, 1, 2, -1))


def _write_scenes(folder: Path) -> None:
    """Scenes to mutate, and scenes that name a mutant as mesh, map, texture or part."""
    bodies = {
        "plain": SPHERE,
        "scene": SHAPES,
        "with-ply": MESH.format(kind="ply"),
        "with-obj": MESH.format(kind="obj"),
        "with-xml": '<default name="part" value="mutant"/><include filename="$part.xml"/>',
    }
    for name, body in bodies.items():
        (folder / f"{name}.xml").write_text(SCENE.replace("BODY", body))
    plain = folder / "plain.xml"
    plain.write_text(re.sub(r' id="\w+"', "", plain.read_text()))
    (folder / "shapes.xml").write_text(f'<scene version="3.0.0">{SHAPES}</scene>')
    for suffix in ("exr", "hdr", "png", "jpg", "tif"):
        lit = SCENE.replace("BODY", SHAPES).replace("map.exr", f"mutant.{suffix}")
        # Mitsuba, which reads textures, knows no TIFF
        textured = lit if suffix == "tif" else lit.replace("photo.png", f"mutant.{suffix}")
        (folder / f"with-{suffix}.xml").write_text(textured)


def _write_exrs(folder: Path, image: np.ndarray, envmap: np.ndarray) -> None:
    def write(name: str, pixels: np.ndarray, compression: object, **more: object) -> None:
        header = {"compression": compression, "type": OpenEXR.scanlineimage, **more}
        OpenEXR.File(header, {"RGB": pixels}).write(str(folder / name))

    write("half.exr", image.astype(np.float16), OpenEXR.PIZ_COMPRESSION)
    write("dwa.exr", envmap.astype(np.float16), OpenEXR.DWAA_COMPRESSION)
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    write("tiled.exr", image, OpenEXR.RLE_COMPRESSION, type=OpenEXR.tiledimage, tiles=tiles)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), {"RGB": image}, name) for name in ("first", "second")]
    OpenEXR.File(parts).write(str(folder / "parts.exr"))
    primaries = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
    shown = (np.array([1, 1], np.int32), np.array([SIZE, SIZE], np.int32))
    write("p3.exr", image, OpenEXR.ZIP_COMPRESSION, chromaticities=primaries, displayWindow=shown)
    planes = np.moveaxis(np.dstack([image, image[..., 0]]), 2, 0).copy()
    layer = {
        f"ViewLayer.Combined.{leaf}": plane for leaf, plane in zip("RGBA", planes, strict=True)
    }
    OpenEXR.File(header, {**layer, "V.Depth.Z": planes[0]}).write(str(folder / "layer.exr"))


def _write_hdrs(folder: Path) -> None:
    """Radiance files of the old run-length coding, and of another order and colour space."""
    run = bytes([90, 60, 30, 129, 1, 1, 1, SIZE - 1]) * SIZE
    start = b"#?RADIANCE\nEXPOSURE=2\nCOLORCORR=1 2 1\n"
    (folder / "old.hdr").write_bytes(start + b"\n-Y %d +X %d\n" % (SIZE, SIZE) + run)
    start += b"FORMAT=32-bit_rle_xyze\n"
    flat = bytes([90, 60, 30, 129]) * SIZE**2
    (folder / "xyz.hdr").write_bytes(start + b"\n+X %d +Y %d\n" % (SIZE, SIZE) + flat)


def _write_photographs(folder: Path, picture: np.ndarray, image: np.ndarray) -> None:
    """With EXIF, a colour profile, 16 bits, floats, alpha."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture).save(folder / "photo.jpg", exif=exif, icc_profile=profile)
    Image.fromarray(picture).save(folder / "lzw.tif", compression="tiff_lzw", icc_profile=profile)
    Image.fromarray(picture).save(folder / "profile.png", exif=exif, icc_profile=profile)
    OpenImageIO.ImageBuf(image).write(str(folder / "float.tif"))
    deep = np.dstack([picture, picture[..., :1]]).astype(np.uint16) * 257
    for name in ("deep-alpha.png", "deep-alpha.tif"):
        OpenImageIO.ImageBuf(deep).write(str(folder / name))


def _write_pngs(folder: Path, picture: np.ndarray) -> None:
    rgb = Image.fromarray(picture)
    rgb.convert("P").save(folder / "palette.png")
    rgb.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(picture[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")


def _ply(kind: str) -> bytes:
    header = (
        f"ply\nformat {kind} 1.0\ncomment a square\nelement vertex {SIDE**2}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property float nx\nproperty float ny\nproperty float nz\n"
        f"element face {2 * (SIDE - 1) ** 2}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    vertices = [(*vertex, 0, 0, 1) for vertex in _vertices()]
    if kind == "ascii":
        rows = [*vertices, *((3, *face) for face in _faces())]
        return (header + "".join(" ".join(map(str, row)) + "\n" for row in rows)).encode()
    order = "<" if "little" in kind else ">"
    body = [struct.pack(f"{order}6f", *vertex) for vertex in vertices]
    body += [struct.pack(f"{order}B3i", 3, *face) for face in _faces()]
    return header.encode() + b"".join(body)


def _obj() -> str:
    lines = ["# a square"]
    lines += [f"v {x} {y} {z}" for x, y, z in _vertices()]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vn 0 0 1"]
    corners = ("{}/1/1", "{}//1", "{}/2")
    for face in _faces():
        named = (corner.format(index + 1) for corner, index in zip(corners, face, strict=True))
        lines.append(f"f {' '.join(named)}")
    return "\n".join(lines) + "\n"


def _vertices() -> list[tuple[float, float, float]]:
    """A square around the origin, as a grid."""
    along = np.linspace(-1, 1, SIDE)
    return [(float(x), float(y), 0.0) for y in along for x in along]


def _faces() -> list[tuple[int, int, int]]:
    corners = [SIDE * y + x for y in range(SIDE - 1) for x in range(SIDE - 1)]
    upper = [(corner, corner + 1, corner + SIDE) for corner in corners]
    return upper + [(corner + 1, corner + SIDE + 1, corner + SIDE) for corner in corners]
