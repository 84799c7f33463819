"""What can go wrong, grouped by who handles it. Every error says what to do."""


class StationError(Exception):
    """Something expected went wrong; `hint` tells the operator what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(StationError):
    """Configuration, calibration or model cannot be used as they are: a restart would not help."""

    exit_code = 78


class StageError(StationError):
    """One stage of one capture failed: stored with the capture, shown, and the station goes on."""


class CaptureError(StageError):
    """A camera gave no picture; `code` is that of the advice which says what to do."""

    code = "no_picture"


class FrozenPicture(CaptureError):
    """A camera gave a picture that it had given before."""

    code = "camera_frozen"


class PictureError(StageError):
    """A picture cannot be read."""


class SegmentError(StageError):
    """The network could not look at a picture."""


class MeasureError(StageError):
    """Outlines are there, centimetres cannot be had from them."""


class DiskTrouble(StageError):
    """The disk cannot be written: the station says so and waits until it can."""


class DiskFull(DiskTrouble):
    """There is no room on the disk."""


class InputRefused(StationError):
    """What a person typed or a device sent cannot be taken as it is."""


class CalibrationRefused(StationError):
    """What was given cannot calibrate a view."""


class ModelRefused(StationError):
    """A model may not become current; the one that is current stays."""


class ShelfDamaged(StationError):
    """Which model is current cannot be told."""


class BackupRefused(StationError):
    """A backup cannot be made or restored as it was asked for; nothing was changed."""


class DeviceLost(StationError):
    """A device that the station cannot do without is gone: systemd restarts the station."""


class StoreError(StationError):
    """The database or the image folder cannot be trusted or written: systemd restarts the station."""


class NewerDatabase(StoreError):
    """The database is of a newer version of the software: a restart would not help, only a person can."""

    exit_code = 78


class DatabaseDamaged(StoreError):
    """The database is there and cannot be read whole: a restart would not help, and nothing is removed."""

    exit_code = 78


class DeliveryDelayed(StationError):
    """The cloud did not take it now; later it may."""


class DeliveryRefused(StationError):
    """The cloud will never take it as it is: parked and shown."""
