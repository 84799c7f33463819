"""What the person at the crate can do better: one sentence per code and language, in the words that are used in a barn.

The stages say a code, a view and details; the words are put here alone. A sentence begins with what is wrong and ends
with what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.records import LANGUAGES, Advice

# How a view is called behind "picture".
VIEW_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {"side": "side", "top": "top", "front": "front"},
    "es": {"side": "de lado", "top": "de arriba", "front": "de frente"},
}

# code -> language -> sentence; {view} as in VIEW_WORDS, all else from the details.
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "nobody_there": {
        "en": "No goat was found in the {view} picture. Bring the goat into the crate and press again.",
        "es": "No hay ninguna cabra en la foto {view}. Meta la cabra en el cajón y pulse otra vez.",
    },
    "several_goats": {
        "en": "More than one goat is in the {view} picture. Let one goat alone into the crate and press again.",
        "es": "Hay más de una cabra en la foto {view}. Deje una sola cabra en el cajón y pulse otra vez.",
    },
    "part_of_a_goat": {
        "en": "Only a part of the goat is in the {view} picture. Wait until it stands whole in the crate and "
        "press again.",
        "es": "Solo una parte de la cabra sale en la foto {view}. Espere a que esté entera en el cajón y "
        "pulse otra vez.",
    },
    "goat_cut_off": {
        "en": "The {view} picture cuts the goat off. Wait until it stands in the middle and press again.",
        "es": "La foto {view} corta la cabra. Espere a que esté en el centro y pulse otra vez.",
    },
    "goat_hidden": {
        "en": "The trunk is not seen whole and straight in the {view} picture. Let the goat stand straight, "
        "and move what hides it.",
        "es": "El cuerpo no se ve entero y derecho en la foto {view}. Ponga la cabra derecha y quite lo que la "
        "tapa.",
    },
    "person_in_the_way": {
        "en": "Somebody is in the {view} picture. Step back, hands off the goat, and press again.",
        "es": "Hay una persona en la foto {view}. Apártese, suelte la cabra y pulse otra vez.",
    },
    "head_not_seen": {
        "en": "The head cannot be seen in the {view} picture, so front and rear cannot be told apart. "
        "Wait until it shows and press again.",
        "es": "No se ve la cabeza en la foto {view}, y no se sabe cuál es la parte de adelante. Espere a que se vea y "
        "pulse otra vez.",
    },
    "head_down": {
        "en": "The goat holds its head low. Wait until it looks up and press again.",
        "es": "La cabra tiene la cabeza baja. Espere a que la levante y pulse otra vez.",
    },
    "legs_not_seen": {
        "en": "The legs cannot be told apart in the {view} picture. Let the goat stand square and press again.",
        "es": "No se distinguen las patas en la foto {view}. Ponga la cabra bien parada y pulse otra vez.",
    },
    "not_square": {
        "en": "The goat does not stand square. Set its feet under it, both sides alike, and press again.",
        "es": "La cabra no está bien parada. Ponga sus patas parejas debajo del cuerpo y pulse otra vez.",
    },
    "goat_turned": {
        "en": "The goat stands askew in the crate. Turn it straight to the gate and press again.",
        "es": "La cabra está atravesada en el cajón. Póngala derecha hacia la puerta y pulse otra vez.",
    },
    "moved_between_pictures": {
        "en": "The goat moved between the pictures. Wait until it stands still and press again.",
        "es": "La cabra se movió entre las fotos. Espere a que esté quieta y pulse otra vez.",
    },
    "blurred": {
        "en": "The {view} picture is blurred. Wait until the goat stands still and press again; "
        "if it stays so, wipe or focus the camera.",
        "es": "La foto {view} salió borrosa. Espere a que la cabra esté quieta y pulse otra vez; "
        "si sigue igual, limpie o enfoque la cámara.",
    },
    "too_dark": {
        "en": "The {view} picture is too dark. Put more light on the crate and press again.",
        "es": "La foto {view} está muy oscura. Ponga más luz en el cajón y pulse otra vez.",
    },
    "too_bright": {
        "en": "The goat is washed out by light in the {view} picture. Shade the crate and press again.",
        "es": "La luz quema la cabra en la foto {view}. Ponga sombra en el cajón y pulse otra vez.",
    },
    "lens_dirty": {
        "en": "There is dirt or a drop on the {view} camera. Wipe its lens with a clean dry cloth and press again.",
        "es": "La cámara {view} tiene polvo o una gota. Limpie el lente con un trapo limpio y seco y pulse otra vez.",
    },
    "camera_moved": {
        "en": "The {view} camera was moved: its picture is off by about {cm} cm. Set it back, or calibrate it again.",
        "es": "La cámara {view} se movió: su foto está corrida unos {cm} cm. Vuelva a ponerla en su lugar o "
        "calíbrela de nuevo.",
    },
    "views_disagree": {
        "en": "The top and front pictures disagree about the width. Press again; if they still disagree, calibrate "
        "both cameras again.",
        "es": "Las fotos de arriba y de frente no dan el mismo ancho. Pulse otra vez; si sigue igual, calibre de nuevo "
        "las dos cámaras.",
    },
    "two_tags": {
        "en": "Two tags were read at this press: {tags}. Write on its page which goat it was.",
        "es": "Se leyeron dos aretes al pulsar: {tags}. Escriba en su página cuál cabra era.",
    },
    "no_picture": {
        "en": "There is no {view} picture: {why}. Check that camera and its cable and press again.",
        "es": "No hay foto {view}: {why}. Revise esa cámara y su cable y pulse otra vez.",
    },
    "pictures_missing": {
        "en": "The {view} camera gave {taken} of {asked} pictures: {why}. Check that camera and its cable.",
        "es": "La cámara {view} dio {taken} de {asked} fotos: {why}. Revise esa cámara y su cable.",
    },
    "camera_frozen": {
        "en": "The {view} camera gave the same picture again. It is being restarted: press again; if it stays so, "
        "unplug it and plug it back in.",
        "es": "La cámara {view} repitió la misma foto. Se está reiniciando: pulse otra vez; si sigue igual, "
        "desconéctela y vuelva a conectarla.",
    },
    "not_calibrated": {
        "en": "The {view} picture cannot be measured: {why}. Calibrate that camera.",
        "es": "La foto {view} no se puede medir: {why}. Calibre esa cámara.",
    },
}


def advise(code: str, view: str | None = None, why: str = "", **details: str) -> Advice:
    """The advice of a code in English; `translated` puts it in the station's language."""
    # Errors begin with the view; the sentence names it already.
    given = {**details, "why": why.removeprefix(f"{view}: ")} if why else details
    return Advice(code, view, sentence(code, view, given, "en"), given)


def translated(advice: Advice, language: str) -> Advice:
    """The same advice in the words of a language."""
    text = sentence(advice.code, advice.view, advice.details, language)
    return Advice(advice.code, advice.view, text, advice.details)


def sentence(code: str, view: str | None, details: Mapping[str, str], language: str) -> str:
    if language not in LANGUAGES:
        raise ValueError(f"{language}: no such language")
    words = {**details, "view": VIEW_WORDS[language].get(view or "", "")}
    text = CATALOGUE[code][language].format(**words)
    return text[:1].upper() + text[1:]
