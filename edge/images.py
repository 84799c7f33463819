"""The door to image files: decoding with every doubt removed, and encoding."""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge.errors import PictureError
from edge.jpeg import whole
from edge.records import Picture, Pixels

# Outlines are good to a fraction of a centimetre at this size, and 16 MP would need 0.5 GB on the way.
WORKING_SIDE_PX = 1600
SMALLEST_SIDE_PX = 120
LARGEST_PIXELS = 40_000_000
# One in so many pixels of each row and column -> how OpenCV is told so.
REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def read_picture(path: Path) -> Picture:
    """Decode an image file, or say what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}", "check the path") from None
    return decode(content, str(path))


def decode(content: bytes, name: str) -> Picture:
    """Decode an encoded image completely: upright, RGB, at working size.

    Raises PictureError for anything that is not a whole picture.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return decode_upright(content, name)
        except UnidentifiedImageError:
            raise PictureError(f"{name}: not an image", "give a JPEG or PNG photograph") from None
        except Image.DecompressionBombError:
            raise too_large(name) from None
        except (OSError, SyntaxError, ValueError) as error:
            raise PictureError(f"{name}: damaged image: {error}", "take or copy the picture again") from None


def read_gray(path: Path) -> Pixels:
    """Decode an image file at its full size, upright and without colour: (H, W), or say what is wrong with it."""
    try:
        with Image.open(path) as image:
            full = upright_size(image)
            if full[0] * full[1] > LARGEST_PIXELS:
                raise too_large(str(path))
            return np.asarray(ImageOps.exif_transpose(image).convert("L"))
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not an image", "give JPEG or PNG photographs") from None
    except OSError as error:
        raise PictureError(
            f"{path}: cannot be read: {error.strerror or error}", "take or copy the picture again"
        ) from None
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: damaged image: {error}", "take or copy the picture again") from None


def decode_upright(content: bytes, name: str) -> Picture:
    with Image.open(io.BytesIO(content)) as image:
        full = upright_size(image)
        if full[0] * full[1] > LARGEST_PIXELS:
            raise too_large(name)
        if min(full) < SMALLEST_SIDE_PX:
            message = f"{name}: {full[0]}x{full[1]} pixels are too few to measure"
            raise PictureError(message, f"at least {SMALLEST_SIDE_PX} pixels on the short side")
        if image.format == "JPEG" and image.mode == "RGB":
            return Picture(decode_jpeg(content, full), full)
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return Picture(shrunk(upright, working_size(full)), full)


def decode_jpeg(content: bytes, full: tuple[int, int]) -> Pixels:
    """What a camera's picture shows, upright, RGB, at working size. Raises OSError where it is not whole.

    OpenCV makes none of the copies that Pillow makes, which for sixteen megapixels take as long as decoding; and a JPEG
    decodes at a half or a quarter many times faster than whole.
    """
    if whole(content) is None:
        raise OSError("it ends too soon")
    reduced = next(by for by in REDUCED if max(full) >= by * WORKING_SIDE_PX or by == 1)
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), REDUCED[reduced])
    if bgr is None:
        raise OSError("its data cannot be decoded")
    small = shrunk(np.asarray(bgr, dtype=np.uint8), working_size(full))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def shrunk(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture at a smaller size: every pixel has its share where many become one, the nearest four where few do."""
    width, height = rgb.shape[1], rgb.shape[0]
    if (width, height) == size:
        return rgb
    kind = cv2.INTER_AREA if width > 2 * size[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size, interpolation=kind), dtype=np.uint8)


def size_of(content: bytes) -> tuple[int, int] | None:
    """(width, height) of an encoded image, upright, as its header says; None where it is none or ends too soon.

    Nothing is decoded: sixteen megapixels would take longer than to write them down.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            size = upright_size(image)
            is_whole = image.format != "JPEG" or whole(content) is not None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return size if is_whole else None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) once the EXIF orientation is applied."""
    width, height = image.size
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def working_size(full: tuple[int, int]) -> tuple[int, int]:
    """(width, height) with no side over the working size, aspect kept."""
    shrink = min(1.0, WORKING_SIDE_PX / max(full))
    return round(full[0] * shrink), round(full[1] * shrink)


def too_large(name: str) -> PictureError:
    return PictureError(f"{name}: too many pixels", f"at most {LARGEST_PIXELS // 1_000_000} megapixels")


def thumbnail(content: bytes, side_px: int) -> bytes:
    """A small JPEG of an encoded image, no side longer than given; what is no image stays as it is."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (side_px, side_px))
            image.thumbnail((side_px, side_px))
            return drawn_jpeg(image.convert("RGB"), quality=70)
    except (OSError, SyntaxError, ValueError):
        return content


def encode_jpeg(rgb: Pixels, quality: int = 88) -> bytes:
    return drawn_jpeg(Image.fromarray(rgb), quality)


def drawn_jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """As `encode_jpeg`, of what was drawn with Pillow, without another copy of it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask as it is kept while other shots are looked at: some 10 kB instead of 2 MB."""

    packed: bytes
    shape: tuple[int, ...]


def pack_mask(mask: Pixels) -> PackedMask:
    return PackedMask(zlib.compress(mask.tobytes(), level=1), mask.shape)


def unpack_mask(mask: PackedMask) -> Pixels:
    return np.frombuffer(zlib.decompress(mask.packed), np.uint8).reshape(mask.shape)


def encode_mask(mask: Pixels, full_size: tuple[int, int]) -> bytes:
    """An 8-bit PNG of the picture's own size, values as in the mask."""
    buffer = io.BytesIO()
    Image.fromarray(mask).resize(full_size, Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
