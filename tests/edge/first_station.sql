-- What the first version of the tables left: one capture measured and delivered, one press that waits.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'goatdev','first_tables','2026-11-22 03:38:23.502620+00:00');
CREATE TABLE captures (
    id TEXT PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'missed')),
    trigger_id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    goat_id TEXT,
    requested_at TEXT NOT NULL,
    finished_at TEXT,
    spread_ms REAL,
    revision INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    hint TEXT
) STRICT;
INSERT INTO "captures" VALUES('20261122T033823561Z_demo','completed','256f95c2-0f3d-4bd5-b718-91013a87ff46','command',NULL,'2026-11-22T03:38:23.561617+00:00','2026-11-22T03:38:24.355629+00:00',0.312,1,NULL,NULL);
INSERT INTO "captures" VALUES('20261122T033959943Z_demo','queued','81f90fe5-0210-4f31-838f-48e5ee0539d4','command','Heidi','2026-11-22T03:39:59.943754+00:00',NULL,NULL,0,NULL,NULL);
CREATE TABLE images (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    kind TEXT NOT NULL CHECK (kind IN ('raw', 'annotated')),
    view TEXT NOT NULL,
    revision INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (capture_id, kind, view, revision)
) STRICT;
INSERT INTO "images" VALUES('20261122T033823561Z_demo','raw','side',0,'20261122/20261122T033823561Z_demo/side_raw.3def7a984a38d78cc7450c652e1ca446f7ca17e875b3ae61fd31ab89444a858d.jpg','3def7a984a38d78cc7450c652e1ca446f7ca17e875b3ae61fd31ab89444a858d',1600,1200,224275);
INSERT INTO "images" VALUES('20261122T033823561Z_demo','raw','top',0,'20261122/20261122T033823561Z_demo/top_raw.39dde805fc6584cfc8562f68fab22f1721b088daf2f27af8bfa4ed782efead1e.jpg','39dde805fc6584cfc8562f68fab22f1721b088daf2f27af8bfa4ed782efead1e',1600,1200,249393);
INSERT INTO "images" VALUES('20261122T033823561Z_demo','raw','front',0,'20261122/20261122T033823561Z_demo/front_raw.60607a65e085270634c7331885fed8ad1cf1127df0513899fb9d0881fceb5d20.jpg','60607a65e085270634c7331885fed8ad1cf1127df0513899fb9d0881fceb5d20',1600,1200,192235);
INSERT INTO "images" VALUES('20261122T033823561Z_demo','annotated','side',1,'20261122/20261122T033823561Z_demo/side_annotated.f885224a2f1e5fee9a8da62c1cc4e11398491f4b0b4a2d1a33de4295d66ca2b7.jpg','f885224a2f1e5fee9a8da62c1cc4e11398491f4b0b4a2d1a33de4295d66ca2b7',1600,1200,280035);
INSERT INTO "images" VALUES('20261122T033823561Z_demo','annotated','top',1,'20261122/20261122T033823561Z_demo/top_annotated.20580dd90bc6beff37febc3cf5aa348c910a6f5cb0d829bf6971f3c2e4fc7e4e.jpg','20580dd90bc6beff37febc3cf5aa348c910a6f5cb0d829bf6971f3c2e4fc7e4e',1600,1200,301968);
INSERT INTO "images" VALUES('20261122T033823561Z_demo','annotated','front',1,'20261122/20261122T033823561Z_demo/front_annotated.3b4321432f7ee88e3065f9d7fbb979b8f2a7b8b92f206f5c2c849d962864a96b.jpg','3b4321432f7ee88e3065f9d7fbb979b8f2a7b8b92f206f5c2c849d962864a96b',1600,1200,228465);
CREATE TABLE measurements (
    capture_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    trait TEXT NOT NULL,
    value REAL,
    u95 REAL,
    confidence REAL NOT NULL,
    views TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (capture_id, revision, trait),
    FOREIGN KEY (capture_id, revision) REFERENCES revisions (capture_id, revision),
    CHECK ((value IS NULL) = (reason IS NOT NULL)),
    CHECK ((value IS NULL) = (u95 IS NULL))
) STRICT;
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'head_height_cm',7.66923851848357713851e+01,1.17534517179045892019e+01,0.976,'["side"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'withers_height_cm',6.37849329107265958791e+01,7.85499043243640926448e+00,0.976,'["side"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'rump_height_cm',6.35127042845916278679e+01,7.70597129821716730901e+00,0.976,'["side"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'shoulder_width_cm',2.54980802789555447427e+01,7.33134597772072815757e+00,0.979,'["top"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'waist_width_cm',2.04200462688186377144e+01,7.0453640910894632654e+00,0.979,'["top"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'rump_width_cm',2.22589448883760745436e+01,7.22096845228834638419e+00,0.979,'["top"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'body_width_top_cm',2.60727360975672439735e+01,7.0997771499366360004e+00,0.979,'["top"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'body_width_front_cm',2.41761825901568379033e+01,8.91326026504625090751e+00,0.951,'["front"]',NULL);
INSERT INTO "measurements" VALUES('20261122T033823561Z_demo',1,'body_width_cm',2.53365249332162569819e+01,6.77266965956534594539e+00,0.951,'["top", "front"]',NULL);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    capture_id TEXT NOT NULL REFERENCES captures (id),
    sequence INTEGER NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'delivered', 'parked')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TEXT NOT NULL,
    last_error TEXT,
    UNIQUE (capture_id, sequence)
) STRICT;
INSERT INTO "outbox" VALUES(1,'20261122T033823561Z_demo',0,'{"advice": [], "calibration": {"created_at": "2026-11-21T16:09:44+00:00", "kinds": {"front": "scale", "side": "scale", "top": "scale"}, "sha256": "0ef2a85c1ff69cd1319ab98e06280826e7c7fa239f1926ff51ebdfbe0270d9e4"}, "capture_id": "20261122T033823561Z_demo", "failure": null, "finished_at": "2026-11-22T03:38:24.355629+00:00", "goat_id": null, "hint": null, "images": [{"height": 1200, "kind": "raw", "sha256": "3def7a984a38d78cc7450c652e1ca446f7ca17e875b3ae61fd31ab89444a858d", "size_bytes": 224275, "view": "side", "width": 1600}, {"height": 1200, "kind": "raw", "sha256": "39dde805fc6584cfc8562f68fab22f1721b088daf2f27af8bfa4ed782efead1e", "size_bytes": 249393, "view": "top", "width": 1600}, {"height": 1200, "kind": "raw", "sha256": "60607a65e085270634c7331885fed8ad1cf1127df0513899fb9d0881fceb5d20", "size_bytes": 192235, "view": "front", "width": 1600}, {"height": 1200, "kind": "annotated", "sha256": "f885224a2f1e5fee9a8da62c1cc4e11398491f4b0b4a2d1a33de4295d66ca2b7", "size_bytes": 280035, "view": "side", "width": 1600}, {"height": 1200, "kind": "annotated", "sha256": "20580dd90bc6beff37febc3cf5aa348c910a6f5cb0d829bf6971f3c2e4fc7e4e", "size_bytes": 301968, "view": "top", "width": 1600}, {"height": 1200, "kind": "annotated", "sha256": "3b4321432f7ee88e3065f9d7fbb979b8f2a7b8b92f206f5c2c849d962864a96b", "size_bytes": 228465, "view": "front", "width": 1600}], "measurements": {"body_width_cm": {"confidence": 0.951, "reason": null, "u95": 6.77, "value": 25.34, "views": ["top", "front"]}, "body_width_front_cm": {"confidence": 0.951, "reason": null, "u95": 8.91, "value": 24.18, "views": ["front"]}, "body_width_top_cm": {"confidence": 0.979, "reason": null, "u95": 7.1, "value": 26.07, "views": ["top"]}, "head_height_cm": {"confidence": 0.976, "reason": null, "u95": 11.75, "value": 76.69, "views": ["side"]}, "rump_height_cm": {"confidence": 0.976, "reason": null, "u95": 7.71, "value": 63.51, "views": ["side"]}, "rump_width_cm": {"confidence": 0.979, "reason": null, "u95": 7.22, "value": 22.26, "views": ["top"]}, "shoulder_width_cm": {"confidence": 0.979, "reason": null, "u95": 7.33, "value": 25.5, "views": ["top"]}, "waist_width_cm": {"confidence": 0.979, "reason": null, "u95": 7.05, "value": 20.42, "views": ["top"]}, "withers_height_cm": {"confidence": 0.976, "reason": null, "u95": 7.85, "value": 63.78, "views": ["side"]}}, "model": {"name": "goat_segmenter", "sha256": "ec0d42d8894bec6f717e4adaccd87205848ef7f23af44d16effee53e05936ff3", "version": "2026.11.2"}, "requested_at": "2026-11-22T03:38:23.561617+00:00", "revision": 1, "software": "goatdev 0.1.0", "source": "command", "spread_ms": 0.312, "station_id": "demo", "status": "completed", "timestamp": "20261122T033823561Z_demo", "trigger_id": "256f95c2-0f3d-4bd5-b718-91013a87ff46", "verdict": "good", "views": {"front": {"confidence": 0.951, "facing": "camera", "warnings": []}, "side": {"confidence": 0.976, "facing": "left", "warnings": []}, "top": {"confidence": 0.979, "facing": "right", "warnings": []}}}','delivered',1,'2026-11-22T03:38:24.363058+00:00',NULL);
CREATE TABLE receipts (
    outbox_id INTEGER NOT NULL REFERENCES outbox (id),
    destination TEXT NOT NULL,
    objects TEXT NOT NULL,
    received_at TEXT NOT NULL,
    PRIMARY KEY (outbox_id, destination)
) STRICT;
INSERT INTO "receipts" VALUES(1,'folder:/media/usb','{"captures/20261122T033823561Z_demo/20261122T033823561Z_demo_side.jpg": "3def7a984a38d78cc7450c652e1ca446f7ca17e875b3ae61fd31ab89444a858d", "captures/20261122T033823561Z_demo/20261122T033823561Z_demo_top.jpg": "39dde805fc6584cfc8562f68fab22f1721b088daf2f27af8bfa4ed782efead1e", "captures/20261122T033823561Z_demo/20261122T033823561Z_demo_front.jpg": "60607a65e085270634c7331885fed8ad1cf1127df0513899fb9d0881fceb5d20", "processed/20261122T033823561Z_demo/20261122T033823561Z_demo_side_annotated.jpg": "f885224a2f1e5fee9a8da62c1cc4e11398491f4b0b4a2d1a33de4295d66ca2b7", "processed/20261122T033823561Z_demo/20261122T033823561Z_demo_top_annotated.jpg": "20580dd90bc6beff37febc3cf5aa348c910a6f5cb0d829bf6971f3c2e4fc7e4e", "processed/20261122T033823561Z_demo/20261122T033823561Z_demo_front_annotated.jpg": "3b4321432f7ee88e3065f9d7fbb979b8f2a7b8b92f206f5c2c849d962864a96b", "processed/20261122T033823561Z_demo/result.json": "5839fdad3634e6d814fd3e417b78bb08448436acd6dcabb200648239b2871bd9"}','2026-11-22T03:38:25.241478+00:00');
CREATE TABLE revisions (
    capture_id TEXT NOT NULL REFERENCES captures (id),
    revision INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    readings TEXT NOT NULL,
    advice TEXT NOT NULL,
    model TEXT NOT NULL,
    calibration TEXT NOT NULL,
    software TEXT NOT NULL,
    PRIMARY KEY (capture_id, revision)
) STRICT;
INSERT INTO "revisions" VALUES('20261122T033823561Z_demo',1,'2026-11-22T03:38:24.362476+00:00','[{"view": "side", "confidence": 0.9757423931127457, "facing": "left", "warnings": [], "landmarks": {"poll": [537.1504336978925, 350.8636135233861], "withers": [713.0, 454.05882352941177], "rump": [1046.0, 456.2352941176471], "fore_hoof": [724.5, 964.125], "hind_hoof": [1098.372340425532, 964.125]}, "lines": [{"trait": "head_height_cm", "start": [537.1504336978925, 964.02], "end": [537.1504336978925, 350.8636135233861]}, {"trait": "withers_height_cm", "start": [713.0, 964.02], "end": [713.0, 454.05882352941177]}, {"trait": "rump_height_cm", "start": [1046.0, 964.02], "end": [1046.0, 456.2352941176471]}]}, {"view": "top", "confidence": 0.979149925621229, "facing": "right", "warnings": [], "landmarks": {}, "lines": [{"trait": "shoulder_width_cm", "start": [774.325688526539, 468.98010428113656], "end": [787.8280331211032, 690.0105051434041]}, {"trait": "waist_width_cm", "start": [610.0941027081616, 502.994251436961], "end": [620.9074070174314, 680.0056563366524]}, {"trait": "rump_width_cm", "start": [550.6193606923221, 497.02325256199344], "end": [562.4064419512324, 689.9751712015097]}, {"trait": "body_width_top_cm", "start": [746.2128254591817, 467.98699888034787], "end": [760.0194753505086, 693.9988102863107]}]}, {"view": "front", "confidence": 0.950785486614175, "facing": "camera", "warnings": [], "landmarks": {}, "lines": [{"trait": "body_width_front_cm", "start": [702.0, 716.0], "end": [952.0, 716.0]}]}]','[]','{"name": "goat_segmenter", "version": "2026.11.2", "sha256": "ec0d42d8894bec6f717e4adaccd87205848ef7f23af44d16effee53e05936ff3"}','{"sha256": "0ef2a85c1ff69cd1319ab98e06280826e7c7fa239f1926ff51ebdfbe0270d9e4", "created_at": "2026-11-21T16:09:44+00:00", "kinds": {"side": "scale", "top": "scale", "front": "scale"}}','goatdev 0.1.0');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX captures_waiting ON captures (id) WHERE status IN ('queued', 'processing');
CREATE INDEX captures_by_goat ON captures (goat_id, id);
CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'due';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',1);
COMMIT;
