"""Draws a scene with moderngl, without a screen: the picture and the exact mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from models_tflite.training.simulator import shaders
from models_tflite.training.simulator.barn import Light
from models_tflite.training.simulator.crate import Mirror
from models_tflite.training.simulator.goat import HAIR_IN_OUTLINE, Coat
from models_tflite.training.simulator.mesh import Material, Mesh, Vector
from models_tflite.training.simulator.station import Camera, finer, lens

NEAR_CM, FAR_CM = 5.0, 900.0
SHADOW_PX, SHADOW_REACH_CM = 1400, 150.0
SAMPLES = 4
HAIR_LAYERS, FINE_HAIR_LAYERS = 2, 5
# The outline is drawn with twice the pixels before it is bent: taking the nearest one then errs by a quarter pixel.
FINER = 2
# A landmark this far behind what the camera sees there, cm, counts as hidden by the animal itself.
HIDDEN_BEHIND_CM = 3.0
# What a landmark on the edge of the outline may be off from where the camera sees the edge.
NEARBY_PX = 2
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
    others  animals that are not in the mask: goats outside the crate, a dog
    second  another goat in the crate, in the mask like the first
    shades  throws shadows and is not seen: the roof, whatever stands between crate and sun
    mirror  the clear panel as a mirror
    people  hide the goat in the mask too, and how much of it is told
    instead  people in the crate where no goat is
    room    the inside of a crate without a goat, not seen: what people hide of it is told
    """

    light: Light
    look: Look
    barn: Mesh
    thin: Mesh
    goat: Animal | None = None
    wide: Mesh | None = None
    glass: Mesh | None = None
    others: tuple[Animal, ...] = ()
    second: Animal | None = None
    shades: Mesh | None = None
    mirror: Mirror | None = None
    people: Mesh | None = None
    instead: Mesh | None = None
    room: Mesh | None = None

    @property
    def outlined(self) -> tuple[Animal, ...]:
        """The animals of the mask."""
        return tuple(animal for animal in (self.goat, self.second) if animal)


@dataclass(frozen=True, slots=True)
class PeopleSeen:
    """Where people are in a picture.

    hide     share of the goat that they hide, of what else would be seen of it; without a goat, of the crate's inside
    instead  share of the picture that people fill who are in the crate without a goat
    seen     share of the picture that people fill, wherever they are
    before   (H, W)  255 where they hide the goat, or are in its place
    """

    hide: float
    instead: float
    seen: float
    before: Picture


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture with its truth.

    picture  (H, W, 3)  BGR
    mask     (H, W)     0 background, 1 body, 2 head
    whole_px            pixels of the mask if nothing wide hid a part of it
    seen     (N,)       for each point asked for: inside the picture and not hidden
    """

    picture: Picture
    mask: Picture
    whole_px: int
    seen: NDArray[np.bool_]
    people: PeopleSeen


@dataclass(frozen=True, slots=True)
class Upload:
    """A mesh on the graphics side; ranges: first corner and number of corners of each material."""

    vertices: moderngl.Buffer
    index: moderngl.Buffer
    ranges: dict[Material, tuple[int, int]]

    def release(self) -> None:
        self.vertices.release()
        self.index.release()


@dataclass(frozen=True, slots=True)
class Body:
    """A mesh on the graphics side, where it is (None: as it is), and how far its hair reaches in the outline, cm."""

    upload: Upload
    pose: Vector | None = None
    shell_cm: float = 0.0


@dataclass(frozen=True, slots=True)
class Bodies:
    """What labels are drawn from."""

    goats: list[Body]
    wide: list[Body]
    people: list[Body]
    instead: list[Body]
    room: list[Body]


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where pictures and outlines of one size are drawn; outlines may have more pixels."""

    drawn: moderngl.Framebuffer
    resolved: moderngl.Framebuffer
    labels: moderngl.Framebuffer


class Renderer:
    """One picture size, one graphics context; use it for as many scenes as you like."""

    def __init__(
        self,
        size: tuple[int, int],
        hair: list[NDArray[np.float32]] | None = None,
        sheet: Picture | None = None,
    ) -> None:
        self.size = size
        self.context = moderngl.create_standalone_context(backend="egl")
        self.surfaces = {
            material: self._program(shaders.surface(int(material), shaders.PLAIN)) for material in Material
        }
        self.fur = self._program(shaders.surface(int(Material.COAT), shaders.FUR))
        self.mirrored = self._program(shaders.surface(int(Material.COAT), shaders.MIRRORED))
        self.programs = {
            "glass": self._program(shaders.GLASS_FRAGMENT),
            "depth": self._program(shaders.DEPTH_FRAGMENT),
            "label": self._program(shaders.LABEL_FRAGMENT),
        }
        # Pictures are drawn upside down, which turns every triangle's winding round.
        self.context.front_face = "cw"
        self._canvases: dict[tuple[tuple[int, int], int], Canvas] = {}
        self.shadow = self._shadow_map()
        self.shadow_target = self.context.framebuffer(depth_attachment=self.shadow)
        self.noise = self._noise_texture()
        self.hair = [self._hair_texture(picture) for picture in hair or [np.ones((8, 8, 3), np.float32)]]
        self.has_hair = bool(hair)
        self.sheet = self._sheet_texture(np.full((8, 8), 255, np.uint8) if sheet is None else sheet)
        self._goats: dict[int, tuple[Mesh, Upload]] = {}

    def _program(self, fragment: str) -> moderngl.Program:
        return self.context.program(vertex_shader=shaders.SCENE_VERTEX, fragment_shader=fragment)

    def _canvas(self, size: tuple[int, int], finer_labels: int) -> Canvas:
        """Made on first use: most runs need one."""
        if (size, finer_labels) not in self._canvases:
            context, fine = self.context, (size[0] * finer_labels, size[1] * finer_labels)
            drawn = context.framebuffer(
                [context.renderbuffer(size, 4, samples=SAMPLES)],
                context.depth_renderbuffer(size, samples=SAMPLES),
            )
            resolved = context.framebuffer([context.texture(size, 4)])
            labels = context.framebuffer([context.texture(fine, 4)], context.depth_texture(fine))
            self._canvases[size, finer_labels] = Canvas(drawn, resolved, labels)
        return self._canvases[size, finer_labels]

    def _shadow_map(self) -> moderngl.Texture:
        shadow = self.context.depth_texture((SHADOW_PX, SHADOW_PX))
        shadow.compare_func = ""
        shadow.filter = (moderngl.NEAREST, moderngl.NEAREST)
        shadow.repeat_x = shadow.repeat_y = False
        return shadow

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

    def _sheet_texture(self, sheet: Picture) -> moderngl.Texture:
        """What is printed on calibration boards: (H, W), 0 black, 255 white."""
        texture = self.context.texture(
            sheet.shape[::-1], 1, np.ascontiguousarray(sheet).tobytes(), alignment=1
        )
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        texture.anisotropy = 8.0
        return texture

    def draw(self, scene: Scene, camera: Camera) -> tuple[Picture, Picture]:
        """Picture (H, W, 3) in BGR and mask (H, W) with 0 background, 1 body, 2 head."""
        shot = self.shoot(scene, [camera])[0]
        return shot.picture, shot.mask

    def shoot(
        self,
        scene: Scene,
        cameras: Sequence[Camera],
        looks: Sequence[Look] = (),
        points_world: Vector | None = None,
    ) -> list[Shot]:
        """The pictures of several cameras of one scene, each with its own look if given.

        points_world (N, 3) cm are points on the goat; each shot tells which of them it shows.
        """
        points = np.zeros((0, 3)) if points_world is None else points_world
        with self.context:  # there may be another renderer
            return self._shots(scene, cameras, looks or [scene.look] * len(cameras), points)

    def _shots(
        self, scene: Scene, cameras: Sequence[Camera], looks: Sequence[Look], points: Vector
    ) -> list[Shot]:
        wide, people, instead, room = (
            [Body(self._upload(mesh))] if mesh else []
            for mesh in (scene.wide, scene.people, scene.instead, scene.room)
        )
        solids = [body.upload for body in (*wide, *people, *instead)]
        solids += [self._upload(mesh) for mesh in (scene.thin, scene.barn)]
        animals = [(self._goat(one.mesh), one) for one in (*scene.outlined, *scene.others)]
        # What is near comes first, so that what it hides need not be computed.
        things: list[tuple[Upload, Animal | None]] = [*animals, *((solid, None) for solid in solids)]
        shades = [self._upload(scene.shades)] if scene.shades else []
        sun = sun_from_world(scene.light.sun_from)
        self._draw_shadows([*things[:-1], *((shade, None) for shade in shades)], sun)
        bodies = Bodies(self._outlined(scene), wide, people, instead, room)
        shots = [
            self._shot(replace(scene, look=look), camera, things, bodies, sun, points)
            for camera, look in zip(cameras, looks, strict=True)
        ]
        for upload in [*solids, *shades, *(body.upload for body in room)]:
            upload.release()
        return shots

    def _shot(
        self,
        scene: Scene,
        camera: Camera,
        things: list[tuple[Upload, Animal | None]],
        bodies: Bodies,
        sun: Vector,
        points: Vector,
    ) -> Shot:
        """Drawn through an ideal lens; then picture and mask are bent alike, as the real lens bends them."""
        bent = lens(camera) if np.any(camera.distortion) else None
        ideal, times = (bent.ideal, FINER) if bent else (camera, 1)
        canvas, clip = self._canvas(ideal.size, times), clip_from_world(ideal)
        self._prepare(canvas, scene, ideal, clip, sun)
        for upload, animal in things:
            self._draw_solid(upload, animal)
        # Only who is measured gets a soft outline: it costs as much as the rest of a goat.
        for goat in scene.outlined:
            self._draw_hair(self._goat(goat.mesh), goat, camera.world_from_cam[:3, 3])
        self._draw_mirrored(scene, ideal)
        self._draw_glass(scene, clip)
        picture = self._read(canvas)[..., ::-1]
        fine = finer(ideal, times)

        def labels(shown: list[Body], *covers: list[Body]) -> list[Picture]:
            drawn = self._labels(canvas, fine, shown, *covers)
            return [bent.mask(one, times) for one in drawn] if bent else drawn

        whole, but_for_people, mask = labels(bodies.goats, bodies.wide, bodies.people)
        seen = self._seen(canvas, camera, fine, points)
        people = people_seen(labels, bodies, but_for_people, mask)
        if bent:
            picture = bent.picture(picture)
        return Shot(np.ascontiguousarray(picture), mask, int(np.count_nonzero(whole)), seen, people)

    def _outlined(self, scene: Scene) -> list[Body]:
        """The goats of the mask."""
        return [
            Body(self._goat(goat.mesh), goat.pose, HAIR_IN_OUTLINE * goat.coat.hair_cm)
            for goat in scene.outlined
        ]

    def _labels(
        self, canvas: Canvas, camera: Camera, shown: list[Body], *covers: list[Body]
    ) -> list[Picture]:
        """The outlines of what is shown as if nothing stood before it, then with each of the covers more before it."""
        canvas.labels.use()
        canvas.labels.clear()
        if not shown:
            return [np.zeros((camera.size[1], camera.size[0]), dtype=np.uint8)] * (1 + len(covers))
        self.context.enable(moderngl.DEPTH_TEST)
        program = self.programs["label"]
        _set(program, "clip_from_world", _bytes(clip_from_world(camera)))
        layers: list[Picture] = []
        for bodies, is_goat in ((shown, 1.0), *((cover, 0.0) for cover in covers)):
            for body in bodies:
                program["is_goat"], program["shell_cm"] = is_goat, body.shell_cm
                self._paint(program, body.upload, body.pose)
            layers.append(self._read_labels(canvas) if bodies else layers[-1])
        return layers

    def _read_labels(self, canvas: Canvas) -> Picture:
        width, height = canvas.labels.size
        raw = np.frombuffer(canvas.labels.read(components=1, alignment=1), dtype=np.uint8)
        return raw.reshape(height, width).copy()

    def _seen(self, canvas: Canvas, camera: Camera, fine: Camera, points: Vector) -> NDArray[np.bool_]:
        """Which points are in the picture and not behind what the labels were drawn from."""
        pixels, spots = camera.project(points), fine.project(points)
        away = camera.in_camera(points)[:, 2]
        inside = np.all((pixels >= -0.5) & (pixels <= np.array(camera.size) - 0.5), axis=1)
        inside &= np.all((spots >= 0) & (spots <= np.array(fine.size) - 1), axis=1) & (away > NEAR_CM)
        around = NEARBY_PX * fine.size[0] // canvas.drawn.size[0]
        side = 2 * around + 1
        for index in np.flatnonzero(inside):
            x, y = np.clip(np.round(spots[index]).astype(int) - around, 0, np.array(fine.size) - side)
            window = int(x), int(y), side, side
            raw = canvas.labels.read(viewport=window, components=1, attachment=-1, dtype="f4")
            depth = np.frombuffer(raw, dtype=np.float32).astype(float)
            behind = NEAR_CM * FAR_CM / (FAR_CM - depth * (FAR_CM - NEAR_CM))
            # The farthest nearby: a point on the edge of the outline lies beside flesh that is nearer.
            inside[index] = away[index] <= behind.max() + HIDDEN_BEHIND_CM
        return np.asarray(inside, dtype=np.bool_)

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
        with self.context:
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

    def _prepare(self, canvas: Canvas, scene: Scene, camera: Camera, clip: Vector, sun: Vector) -> None:
        canvas.drawn.use()
        canvas.drawn.clear(0.75, 0.78, 0.8, 1.0)
        self.context.enable(moderngl.DEPTH_TEST)
        light, look = scene.light, scene.look
        for slot, texture in enumerate((self.noise, self.shadow, self.hair[0], self.sheet)):
            texture.use(slot)
        values: dict[str, Any] = {
            "noise_map": 0,
            "shadow_map": 1,
            "hair_map": 2,
            "board_map": 3,
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
        blob = trunk_ellipsoid(scene.goat or (scene.others[0] if scene.others else None))
        for program in (*self.surfaces.values(), self.fur, self.mirrored):
            for name in values.keys() & set(program):
                program[name] = values[name]
            _set(program, "clip_from_world", _bytes(clip))
            _set(program, "sun_from_world", _bytes(sun))
            _set(program, "blob_from_world", _bytes(blob))

    def _draw_solid(self, upload: Upload, animal: Animal | None) -> None:
        if animal:
            self._wear(self.surfaces[Material.COAT], animal)
        for material in upload.ranges:
            skin = material == Material.COAT
            if skin:
                self.context.enable(moderngl.CULL_FACE)
            self._paint(self.surfaces[material], upload, animal.pose if animal else None, material)
            if skin:
                self.context.disable(moderngl.CULL_FACE)

    def _draw_hair(self, upload: Upload, animal: Animal, eye: Vector) -> None:
        """Layers over the skin along its outline, each with fewer hairs left: a soft edge."""
        self._wear(self.fur, animal)
        layers = HAIR_LAYERS if animal.coat.hair_cm > 0.6 else 1
        if self.size[0] > 800:
            layers = FINE_HAIR_LAYERS
        index = self.context.buffer(_fringe(animal, eye).tobytes())
        edge = Upload(upload.vertices, index, {})
        for layer in range(1, layers + 1):
            share = layer / layers
            self.fur["shell_cm"], self.fur["shell_cut"] = animal.coat.hair_cm * share, 0.25 + 0.55 * share
            self._paint(self.fur, edge, animal.pose)
        index.release()

    def _wear(self, program: moderngl.Program, animal: Animal) -> None:
        """Tell a coat's program what this animal wears."""
        coat = animal.coat
        furry = self.has_hair and coat.hair_patch >= 0
        self.hair[coat.hair_patch % len(self.hair)].use(2)
        values = {
            "coat_first": coat.first,
            "coat_second": coat.second,
            "coat_form": (coat.edge_noise, coat.patch_size_cm, coat.shine, coat.hair),
            "coat_more": (coat.dirt, coat.patch_seed, float(furry), animal.withers_cm),
            "coat_marks": (coat.roan, *coat.spray),
        }
        for name in values.keys() & set(program):
            program[name] = values[name]

    def _draw_mirrored(self, scene: Scene, camera: Camera) -> None:
        """The goats' sharp image in the clear panel, for cameras that see it from inside."""
        mirror = scene.mirror
        if mirror is None or (camera.world_from_cam[1, 3] - mirror.y) * np.sign(mirror.y) > 0:
            return
        program, context = self.mirrored, self.context
        program["mirror_y"] = mirror.y
        program["mirror_reach"] = mirror.half_length, mirror.height, mirror.strength
        for animal in scene.outlined + scene.others[:1]:
            self._wear(program, animal)
            upload = self._goat(animal.mesh)
            context.enable(moderngl.BLEND | moderngl.CULL_FACE)
            context.cull_face = "front"  # a mirror turns the winding round
            self._paint(program, upload, animal.pose, Material.COAT)
            context.cull_face = "back"
            context.disable(moderngl.BLEND | moderngl.CULL_FACE)

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

    def mask(self, goat: Animal | None, camera: Camera) -> Picture:
        """The outline of a goat as if nothing stood before it: (H, W) of 0, 1 body, 2 head."""
        bent = lens(camera) if np.any(camera.distortion) else None
        ideal, times = (bent.ideal, FINER) if bent else (camera, 1)
        with self.context:
            canvas = self._canvas(ideal.size, times)
            shown = [
                Body(self._goat(one.mesh), one.pose, HAIR_IN_OUTLINE * one.coat.hair_cm)
                for one in ((goat,) if goat else ())
            ]
            whole = self._labels(canvas, finer(ideal, times), shown)[0]
        return bent.mask(whole, times) if bent else whole

    def _read(self, canvas: Canvas) -> Picture:
        self.context.copy_framebuffer(canvas.resolved, canvas.drawn)
        raw = np.frombuffer(canvas.resolved.read(components=3, alignment=1), dtype=np.uint8)
        width, height = canvas.resolved.size
        return raw.reshape(height, width, 3)


def people_seen(
    labels: Callable[..., list[Picture]], bodies: Bodies, but_for_people: Picture, mask: Picture
) -> PeopleSeen:
    """Where people are.

    labels          draws the outlines of some bodies, with others before them
    but_for_people  (H, W)  what would be seen of the goat if there were no people
    mask            (H, W)  what is seen of it
    """
    nothing = np.zeros_like(mask)
    everybody = bodies.people + bodies.instead
    if not everybody:
        return PeopleSeen(0.0, 0.0, 0.0, nothing)
    seen = labels(everybody, bodies.goats + bodies.wide)[1]
    filled = labels(bodies.instead, bodies.wide + bodies.people)[1]
    before = ((but_for_people > 0) & (mask == 0)) | (filled > 0)
    if not bodies.goats:
        _, but_for_people, mask = labels(bodies.room, bodies.wide, bodies.people)
    there, left = np.count_nonzero(but_for_people), np.count_nonzero(mask)
    hide = (there - left) / there if there else 0.0
    return PeopleSeen(hide, float(np.mean(filled > 0)), float(np.mean(seen > 0)), np.uint8(255) * before)


def _fringe(animal: Animal, eye: Vector) -> NDArray[np.int32]:
    """The triangles of a coat near its outline as seen from a place: (M, 3)."""
    mesh = animal.mesh
    local = (eye - animal.pose[:3, 3]) @ animal.pose[:3, :3]
    towards = (local - mesh.vertices).astype(np.float32)
    facing = np.einsum("ij,ij->i", towards, mesh.normals) / np.sqrt(np.einsum("ij,ij->i", towards, towards))
    facing[mesh.material != Material.COAT] = 9.0
    corners = facing[mesh.faces]
    edge = np.all((corners > -0.25) & (corners < 0.45), axis=1)
    return np.ascontiguousarray(mesh.faces[edge])


def trunk_ellipsoid(animal: Animal | None) -> Vector:
    """Takes the world to a frame (4, 4) in which the animal's trunk is the unit sphere: for soft reflections."""
    if animal is None:
        nowhere = np.eye(4)
        nowhere[:3, 3] = 1e4
        return nowhere
    height = animal.withers_cm
    ball = np.diag([0.52 * height, 0.21 * height, 0.28 * height, 1.0])
    ball[2, 3] = 0.70 * height
    return np.asarray(np.linalg.inv(animal.pose @ ball))


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
