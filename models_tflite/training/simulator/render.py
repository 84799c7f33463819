"""Draws a scene with moderngl, without a screen: the picture and the exact mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models_tflite.training.simulator import shaders
from models_tflite.training.simulator.barn import Light
from models_tflite.training.simulator.goat import HAIR_IN_OUTLINE, Coat
from models_tflite.training.simulator.mesh import Material, Mesh, Vector
from models_tflite.training.simulator.station import Camera

NEAR_CM, FAR_CM = 5.0, 900.0
SHADOW_PX, SHADOW_REACH_CM = 1400, 150.0
SAMPLES = 4
HAIR_LAYERS, FINE_HAIR_LAYERS = 2, 5
LAYOUT = "3f 3f 4f 3f"
ATTRIBUTES = ("in_position", "in_normal", "in_colour", "in_kind")
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Animal:
    """A goat in the scene: its mesh in its own frame, where it stands (4, 4), its coat and withers height."""

    mesh: Mesh
    pose: Vector
    coat: Coat
    withers_cm: float


@dataclass(frozen=True, slots=True)
class Look:
    """How the camera sees light: exposure, contrast around mid grey, veil of haze, white balance."""

    exposure: float = 1.0
    contrast: float = 1.0
    haze: float = 0.0
    white: tuple[float, float, float] = (1.0, 1.0, 1.0)
    dust: float = 0.4


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is in front of a camera.

    goat    the one to be measured, or None
    barn    ground, walls, people: throws no shadow
    thin    the crate: hides the goat in the picture, not in the mask
    wide    hides the goat in the mask too
    glass   a clear panel, drawn last
    others  goats outside the crate
    """

    light: Light
    look: Look
    barn: Mesh
    thin: Mesh
    goat: Animal | None = None
    wide: Mesh | None = None
    glass: Mesh | None = None
    others: tuple[Animal, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """A mesh on the graphics side; ranges: first corner and number of corners of each material."""

    vertices: moderngl.Buffer
    index: moderngl.Buffer
    ranges: dict[Material, tuple[int, int]]

    def release(self) -> None:
        self.vertices.release()
        self.index.release()


class Renderer:
    """One picture size, one graphics context; use it for as many scenes as you like."""

    def __init__(self, size: tuple[int, int], hair: list[NDArray[np.float32]] | None = None) -> None:
        self.size = size
        self.context = moderngl.create_standalone_context(backend="egl")
        self.surfaces = {
            material: self._program(shaders.SCENE_FRAGMENT.replace("%MATERIAL%", str(int(material))))
            for material in Material
        }
        self.programs = {
            "glass": self._program(shaders.GLASS_FRAGMENT),
            "depth": self._program(shaders.DEPTH_FRAGMENT),
            "label": self._program(shaders.LABEL_FRAGMENT),
        }
        # Pictures are drawn upside down, which turns every triangle's winding round.
        self.context.front_face = "cw"
        self._make_targets()
        self.noise = self._noise_texture()
        self.hair = [self._hair_texture(picture) for picture in hair or [np.ones((8, 8, 3), np.float32)]]
        self.has_hair = bool(hair)
        self._goats: dict[int, tuple[Mesh, Upload]] = {}

    def _program(self, fragment: str) -> moderngl.Program:
        return self.context.program(vertex_shader=shaders.SCENE_VERTEX, fragment_shader=fragment)

    def _make_targets(self) -> None:
        context, size = self.context, self.size
        samples = SAMPLES
        self.canvas = context.framebuffer(
            [context.renderbuffer(size, 4, samples=samples)],
            context.depth_renderbuffer(size, samples=samples),
        )
        self.resolved = context.framebuffer([context.texture(size, 4)])
        self.label_target = context.framebuffer([context.texture(size, 4)], context.depth_renderbuffer(size))
        self.shadow = context.depth_texture((SHADOW_PX, SHADOW_PX))
        self.shadow.compare_func = ""
        self.shadow.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self.shadow.repeat_x = self.shadow.repeat_y = False
        self.shadow_target = context.framebuffer(depth_attachment=self.shadow)

    def _noise_texture(self) -> moderngl.Texture3D:
        """Smooth noise that repeats every 64 cells, four independent channels."""
        white = np.random.default_rng(7).normal(size=(4, 64, 64, 64))
        smooth = np.stack([gaussian_filter(channel, 0.9, mode="wrap") for channel in white], axis=-1)
        smooth = np.clip(smooth / smooth.std() * 0.3 * 127 + 128, 0, 255).astype(np.uint8)
        texture = self.context.texture3d((64, 64, 64), 4, smooth.tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)
        return texture

    def _hair_texture(self, picture: NDArray[np.float32]) -> moderngl.Texture:
        """A hair picture (H, W, 3) with a mean of 1, stored at half scale."""
        stored = np.clip(picture * 127, 0, 255).astype(np.uint8)
        texture = self.context.texture(picture.shape[1::-1], 3, stored.tobytes(), alignment=1)
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def draw(self, scene: Scene, camera: Camera) -> tuple[Picture, Picture]:
        """Picture (H, W, 3) in BGR and mask (H, W) with 0 background, 1 body, 2 head."""
        clip, sun = clip_from_world(camera), sun_from_world(scene.light.sun_from)
        solids = [self._upload(mesh) for mesh in (scene.wide, scene.thin, scene.barn) if mesh]
        animals = [(self._goat(animal.mesh), animal) for animal in (scene.goat, *scene.others) if animal]
        # What is near comes first, so that what it hides need not be computed.
        things: list[tuple[Upload, Animal | None]] = [*animals, *((solid, None) for solid in solids)]
        self._draw_shadows(things[:-1], sun)
        self._prepare(scene, camera, clip, sun)
        for upload, animal in things:
            self._draw_solid(upload, animal)
        self._draw_glass(scene, clip)
        mask = self.mask(scene.goat, camera, solids[0] if scene.wide else None)
        picture = self._read(self.canvas)
        for solid in solids:
            solid.release()
        return np.ascontiguousarray(picture[..., ::-1]), mask

    def _upload(self, mesh: Mesh) -> Upload:
        """A mesh on the graphics side, its triangles sorted by material."""
        kinds = mesh.material[mesh.faces[:, 0]].astype(int)
        order = np.argsort(kinds, kind="stable")
        found, first, count = np.unique(kinds[order], return_index=True, return_counts=True)
        ranges = {
            Material(kind): (3 * int(a), 3 * int(n)) for kind, a, n in zip(found, first, count, strict=True)
        }
        vertices = self.context.buffer(mesh.packed().tobytes())
        index = self.context.buffer(np.ascontiguousarray(mesh.faces[order], dtype=np.int32).tobytes())
        return Upload(vertices, index, ranges)

    def _goat(self, mesh: Mesh) -> Upload:
        """A goat is drawn several times: keep the last few on the graphics side."""
        if id(mesh) not in self._goats:
            while len(self._goats) >= 4:
                self._goats.pop(next(iter(self._goats)))[1].release()
            self._goats[id(mesh)] = mesh, self._upload(mesh)
        return self._goats[id(mesh)][1]

    def forget_goats(self) -> None:
        """Free what is kept of the goats drawn so far."""
        for _, upload in self._goats.values():
            upload.release()
        self._goats.clear()

    def _paint(
        self, program: moderngl.Program, upload: Upload, pose: Vector | None, material: Material | None = None
    ) -> None:
        """Draw one mesh, or the part of it that is of one material."""
        _set(program, "world_from_model", _bytes(np.eye(4) if pose is None else pose))
        used = [part for part in ATTRIBUTES if part in program]
        layout = zip(ATTRIBUTES, LAYOUT.split(), strict=True)
        pieces = [text if part in program else f"{int(text[0]) * 4}x" for part, text in layout]
        array = self.context.vertex_array(program, [(upload.vertices, " ".join(pieces), *used)], upload.index)
        first, count = upload.ranges[material] if material is not None else (0, -1)
        array.render(moderngl.TRIANGLES, vertices=count, first=first)
        array.release()

    def _draw_shadows(self, things: list[tuple[Upload, Animal | None]], sun: Vector) -> None:
        self.shadow_target.use()
        self.shadow_target.clear()
        self.context.enable(moderngl.DEPTH_TEST)
        _set(self.programs["depth"], "clip_from_world", _bytes(sun))
        for upload, animal in things:
            self._paint(self.programs["depth"], upload, animal.pose if animal else None)

    def _prepare(self, scene: Scene, camera: Camera, clip: Vector, sun: Vector) -> None:
        self.canvas.use()
        self.canvas.clear(0.75, 0.78, 0.8, 1.0)
        light, look = scene.light, scene.look
        for slot, texture in enumerate((self.noise, self.shadow, self.hair[0])):
            texture.use(slot)
        values: dict[str, Any] = {
            "noise_map": 0,
            "shadow_map": 1,
            "hair_map": 2,
            "shadow_step": 1.0 / SHADOW_PX,
        }
        values |= {"eye": tuple(camera.world_from_cam[:3, 3]), "sun_from": tuple(light.sun_from)}
        values |= {
            "sun_light": light.sun,
            "sky_light": light.sky,
            "ground_light": light.ground,
            "white": look.white,
        }
        values |= {"look": (look.exposure, look.contrast, look.haze, 0.0)}
        for program in self.surfaces.values():
            for name in values.keys() & set(program):
                program[name] = values[name]
            _set(program, "clip_from_world", _bytes(clip))
            _set(program, "sun_from_world", _bytes(sun))

    def _draw_solid(self, upload: Upload, animal: Animal | None) -> None:
        if animal:
            self._wear(animal)
        for material in upload.ranges:
            self._paint(self.surfaces[material], upload, animal.pose if animal else None, material)
        if animal:
            self._draw_hair(upload, animal)

    def _draw_hair(self, upload: Upload, animal: Animal) -> None:
        """Layers over the skin, each with fewer hairs left: a soft outline."""
        program = self.surfaces[Material.COAT]
        layers = FINE_HAIR_LAYERS if self.size[0] > 800 else HAIR_LAYERS
        self.context.enable(moderngl.CULL_FACE)
        for layer in range(1, layers + 1):
            share = layer / layers
            program["shell_cm"], program["shell_cut"] = animal.coat.hair_cm * share, 0.25 + 0.55 * share
            self._paint(program, upload, animal.pose, Material.COAT)
        program["shell_cm"] = program["shell_cut"] = 0.0
        self.context.disable(moderngl.CULL_FACE)

    def _wear(self, animal: Animal) -> None:
        """Tell the coat's program what this animal wears."""
        coat, program = animal.coat, self.surfaces[Material.COAT]
        furry = self.has_hair and coat.hair_patch >= 0
        self.hair[coat.hair_patch % len(self.hair)].use(2)
        program["coat_first"], program["coat_second"] = coat.first, coat.second
        program["coat_form"] = (coat.edge_noise, coat.patch_size_cm, coat.shine, coat.hair)
        program["coat_more"] = (coat.dirt, coat.patch_seed, float(furry), animal.withers_cm)

    def _draw_glass(self, scene: Scene, clip: Vector) -> None:
        if scene.glass is None:
            return
        program, upload = self.programs["glass"], self._upload(scene.glass)
        self.noise.use(0)
        program["noise_map"], program["dust"] = 0, scene.look.dust
        glow = np.clip(np.array(scene.light.sky) * 0.9 + 0.1 * np.array(scene.light.sun), 0, 1)
        program["glow"] = tuple(glow * min(scene.look.exposure, 1.0))
        _set(program, "clip_from_world", _bytes(clip))
        self.context.enable(moderngl.BLEND)
        self._paint(program, upload, None)
        self.context.disable(moderngl.BLEND)
        upload.release()

    def mask(self, goat: Animal | None, camera: Camera, wide: Upload | None = None) -> Picture:
        """The outline of a goat as if nothing but `wide` stood before it: (H, W) of 0, 1 body, 2 head."""
        width, height = self.size
        if goat is None:
            return np.zeros((height, width), dtype=np.uint8)
        self.label_target.use()
        self.label_target.clear()
        self.context.enable(moderngl.DEPTH_TEST)
        program = self.programs["label"]
        _set(program, "clip_from_world", _bytes(clip_from_world(camera)))
        program["is_goat"], program["shell_cm"] = 1.0, HAIR_IN_OUTLINE * goat.coat.hair_cm
        self._paint(program, self._goat(goat.mesh), goat.pose)
        if wide:
            program["is_goat"] = program["shell_cm"] = 0.0
            self._paint(program, wide, None)
        raw = np.frombuffer(self.label_target.read(components=1, alignment=1), dtype=np.uint8)
        return raw.reshape(height, width).copy()

    def _read(self, framebuffer: moderngl.Framebuffer) -> Picture:
        self.context.copy_framebuffer(self.resolved, framebuffer)
        raw = np.frombuffer(self.resolved.read(components=3, alignment=1), dtype=np.uint8)
        return raw.reshape(self.size[1], self.size[0], 3)


def clip_from_world(camera: Camera) -> Vector:
    """OpenGL's clip matrix (4, 4) of a camera; the first picture row is the first row in memory."""
    (width, height), matrix = camera.size, camera.camera_matrix
    depth = (FAR_CM + NEAR_CM) / (FAR_CM - NEAR_CM), -2 * FAR_CM * NEAR_CM / (FAR_CM - NEAR_CM)
    clip_from_cam = np.array(
        [
            [2 * matrix[0, 0] / width, 0, (2 * matrix[0, 2] + 1) / width - 1, 0],
            [0, 2 * matrix[1, 1] / height, (2 * matrix[1, 2] + 1) / height - 1, 0],
            [0, 0, *depth],
            [0, 0, 1, 0],
        ]
    )
    return np.asarray(clip_from_cam @ np.linalg.inv(camera.world_from_cam))


def sun_from_world(sun_from: Vector) -> Vector:
    """Clip matrix (4, 4) of the sun's parallel light over the crate."""
    forward = -sun_from
    across = np.cross(forward, [0, 0, 1.0] if abs(forward[2]) < 0.95 else [1.0, 0, 0])
    across /= np.linalg.norm(across)
    turn = np.stack([across, np.cross(forward, across), forward])
    result = np.eye(4)
    result[:3, :3] = turn / np.array([[SHADOW_REACH_CM], [SHADOW_REACH_CM], [2 * SHADOW_REACH_CM]])
    result[:3, 3] = -result[:3, :3] @ np.array([0, 0, 45.0])
    return result


def _bytes(matrix: Vector) -> bytes:
    return np.ascontiguousarray(matrix.T, dtype=np.float32).tobytes()


def _set(program: moderngl.Program, name: str, value: bytes) -> None:
    if name in program:
        program[name].write(value)
