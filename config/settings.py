"""Every setting, from the environment. `ASSAY_X_FILE=/path` may stand for `ASSAY_X=value` wherever a secret is meant.

The embedded default (no variable set) is SQLite, local files and a broker of files under `ASSAY_VAR`, in demo mode.
"""

import logging
import os
import secrets
import sys
import tempfile
from pathlib import Path

from celery.schedules import crontab
from environs import Env, validate
from kombu import Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()


def _secret(name: str, default: str = "") -> str:
    """`NAME`, or the content of the file named by `NAME_FILE`."""
    path = env.str(f"{name}_FILE", "")
    return Path(path).read_text().strip() if path else env.str(name, default)


def _made_once(path: Path, make: str) -> str:
    """A secret file of this installation, created with mode 0600 on first use."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(make)
    return make


def _test_ground() -> None:
    """A fresh data folder and none of the developer's settings for each test process.

    It must happen here: pytest-django reads the settings before any conftest.py is imported, and a suite that clears
    its ground in the folder of a running installation would destroy it.
    """
    kept = ("ASSAY_DATABASE_URL", "ASSAY_CHROMIUM")  # `scripts/test` and the developer choose these for the tests
    for name in [name for name in os.environ if name.startswith("ASSAY_") and name not in kept]:
        del os.environ[name]
    os.environ["ASSAY_VAR"] = tempfile.mkdtemp(prefix="assay-test-")
    (Path(os.environ["ASSAY_VAR"]) / "static").mkdir()


TESTING = "pytest" in sys.modules
if TESTING:
    _test_ground()
ASSAY_VAR = Path(env.str("ASSAY_VAR", "var")).expanduser()
if not ASSAY_VAR.is_absolute():
    ASSAY_VAR = BASE_DIR / ASSAY_VAR
ASSAY_VAR.mkdir(parents=True, exist_ok=True)
ASSAY_KEYS = ASSAY_VAR / "keys"

# Demo mode: example people with one-time login links, plain HTTP on this machine, MFA not required.
# A host name of your own ends it.
ASSAY_HOST = env.str("ASSAY_HOST", "")
DEMO = env.bool("ASSAY_DEMO", not ASSAY_HOST)
DEBUG = env.bool("ASSAY_DEBUG", False)
SECURE = not DEMO
BEHIND_PROXY = env.bool("ASSAY_BEHIND_PROXY", False)

SECRET_KEY = _secret("ASSAY_SECRET_KEY") or _made_once(ASSAY_KEYS / "django.key", secrets.token_urlsafe(50))
PORT = env.int("ASSAY_PORT", 8000)
ASSAY_URL = env.str("ASSAY_URL", f"https://{ASSAY_HOST}" if ASSAY_HOST else f"http://localhost:{PORT}").rstrip("/")
ALLOWED_HOSTS = [ASSAY_HOST] if ASSAY_HOST else ["127.0.0.1", "localhost", "[::1]"]
if TESTING:
    ALLOWED_HOSTS += ["testserver"]
CSRF_TRUSTED_ORIGINS = [ASSAY_URL]

# The log's origin (C2SP): a schema-less URL, decided once and never changed.
ASSAY_LOG_ORIGIN = env.str("ASSAY_LOG_ORIGIN", f"{ASSAY_HOST or 'assay.localhost'}/log")
# The head guard (ledger/head.py), where it shall lie outside the data folder: its backup must not be the database's.
ASSAY_LOG_HEAD = env.str("ASSAY_LOG_HEAD", "")
# How far the clock may be behind the newest entry before an append is refused: NTP steps, hosts a little apart.
ASSAY_LOG_CLOCK_TOLERANCE = env.float("ASSAY_LOG_CLOCK_TOLERANCE", 5.0)  # seconds
# The maximum merge delay in seconds: within it an acknowledged entry is promised to be in the tree.
ASSAY_LOG_MMD = env.int("ASSAY_LOG_MMD", 3600)
# Where the private keys of log and vault live (docs/keys.md): empty for files, or given here as text.
ASSAY_KEY_STORE = env.str("ASSAY_KEY_STORE", "")
ASSAY_KEY_STORE_PIN = _secret("ASSAY_KEY_STORE_PIN")
ASSAY_LOG_KEY = _secret("ASSAY_LOG_KEY")
ASSAY_VAULT_KEY = _secret("ASSAY_VAULT_KEY")
ASSAY_LOG_MLDSA = env.bool("ASSAY_LOG_MLDSA", False)
# A C2SP tlog-policy file: the witnesses that cosign this log, and how many of them make a quorum.
ASSAY_LOG_POLICY = env.str("ASSAY_LOG_POLICY", "")
ASSAY_LOG_COSIGN_EVERY = env.float("ASSAY_LOG_COSIGN_EVERY", 10.0)  # seconds
ASSAY_LOG_COSIGN_WITHIN = env.int("ASSAY_LOG_COSIGN_WITHIN", 3600)  # seconds
# An RFC 3161 authority to stamp checkpoints and media, and its root certificates (PEM); without, this office does it.
ASSAY_TSA_URL = env.str("ASSAY_TSA_URL", "")
ASSAY_TSA_CA = env.str("ASSAY_TSA_CA", "")
# Whether media is signed without a time-stamp when that authority gives none; else nothing is registered meanwhile.
ASSAY_TSA_OPTIONAL = env.bool("ASSAY_TSA_OPTIONAL", False)
# A certificate that signs media and that others trust: its chain (a PEM file), its key (PEM, or a key on a token).
# `manage.py media_certificate bring` takes it into use.
ASSAY_C2PA_CHAIN = env.str("ASSAY_C2PA_CHAIN", "")
ASSAY_C2PA_KEY = _secret("ASSAY_C2PA_KEY")
ASSAY_OFFICE_NAME = env.str("ASSAY_OFFICE_NAME", "Assay")
ASSAY_JURISDICTIONS = env.list("ASSAY_JURISDICTIONS", ["EU", "US"])
# The header in which the office's own proxy says from which country a request comes; empty: nobody's place is known.
ASSAY_COUNTRY_HEADER = env.str("ASSAY_COUNTRY_HEADER", "")
# Whether members may have web hooks (policy.hooks): off, this office speaks to nobody by itself. The hosts, `host` or
# `host:port`, that they may lead to although they are in this network or without TLS.
ASSAY_WEBHOOKS = env.bool("ASSAY_WEBHOOKS", False)
ASSAY_WEBHOOK_HOSTS: list[str] = env.list("ASSAY_WEBHOOK_HOSTS", [])
# The EU's transparency database (policy.hooks.tdb_client): its address (https://…, without /api) and this platform's
# token. Nothing is ever sent but by `manage.py statements submit --really`.
ASSAY_TDB_URL = env.str("ASSAY_TDB_URL", "").rstrip("/")
ASSAY_TDB_TOKEN = _secret("ASSAY_TDB_TOKEN")
# Of so many decisions in a hundred, somebody else decides again without seeing the first answer (policy.desk.quality).
ASSAY_SECOND_REVIEW_PERCENT = env.int("ASSAY_SECOND_REVIEW_PERCENT", 5, validate=validate.Range(0, 100))
# The fullest step in which sealed media are ever shown to reviewers; each may choose a softer one (desk.exposure).
ASSAY_REVIEW_HIGHEST_STEP = env.str(
    "ASSAY_REVIEW_HIGHEST_STEP", "sound", validate=validate.OneOf(("soft", "grey", "clear", "sound"))
)

ASSAY_MAX_UPLOAD_BYTES = env.int("ASSAY_MAX_UPLOAD_MB", 512) << 20
ASSAY_MAX_PIXELS = env.int("ASSAY_MAX_MEGAPIXELS", 100) * 1_000_000
ASSAY_MAX_SECONDS = env.int("ASSAY_MAX_MINUTES", 30) * 60
# Whether pictures can be marked invisibly, and marks are looked for; needs requirements/watermark.txt.
ASSAY_WATERMARK = env.bool("ASSAY_WATERMARK", False)
# Which detectors examine a work when it is registered: “all”, or “quick”, those without a network; the rest on request.
ASSAY_EXAMINE = env.str("ASSAY_EXAMINE", "quick" if TESTING else "all", validate=validate.OneOf(("all", "quick")))

INSTALLED_APPS = [
    "core",
    "ledger",
    "accounts",
    "provenance",
    "detection",
    "policy",
    "web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "django_structlog",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "core.http.HeadersMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.http.BodyLimitMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.mfa.RequireSecondFactorMiddleware",
    "provenance.places.PlaceMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "core.http.ProblemMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "web.context.office",
            ],
        },
    }
]

# --- Database ------------------------------------------------------------------------------------------------------
# SQLite: one writer at a time, taken at BEGIN (IMMEDIATE), durable at COMMIT (synchronous FULL).
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
    "PRAGMA secure_delete=ON; PRAGMA recursive_triggers=ON;",  # or INSERT OR REPLACE deletes without a trigger
}


def _database(url: str) -> dict[str, object]:
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ASSAY_VAR / "assay.sqlite3",
            "OPTIONS": SQLITE_OPTIONS,
        }
    from urllib.parse import parse_qsl, unquote, urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise RuntimeError("ASSAY_DATABASE_URL must be postgresql://user:password@host:port/name, or empty for SQLite")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": parts.port or "",
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(_secret("ASSAY_DATABASE_URL"))}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
# The same database, by a role that may sequence and sign, and the office's own may not (`manage.py database_roles`).
SEQUENCER_DATABASE = _database(_url) if (_url := _secret("ASSAY_SEQUENCER_DATABASE_URL")) else {}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": ASSAY_VAR / "test.sqlite3"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": cache_url}
    if (cache_url := _secret("ASSAY_CACHE_URL"))
    else {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "core_cache"}
}

# --- Files -----------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = ASSAY_VAR / "static"
_S3_BUCKET = env.str("ASSAY_S3_BUCKET", "")
# Where the object store is and how to enter it; also for `manage.py publish_log s3://…`.
ASSAY_S3 = {
    "endpoint_url": env.str("ASSAY_S3_ENDPOINT", "") or None,
    "region_name": env.str("ASSAY_S3_REGION", "") or None,
    "access_key": _secret("ASSAY_S3_ACCESS_KEY") or None,
    "secret_key": _secret("ASSAY_S3_SECRET_KEY") or None,
}
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": ASSAY_VAR / "files"},
    },
    "media": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": _S3_BUCKET,
            **ASSAY_S3,
            "file_overwrite": True,
            "default_acl": None,
        },
    }
    if _S3_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": ASSAY_VAR / "media",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
FILE_UPLOAD_HANDLERS = ["core.http.LimitedUpload"]
FILE_UPLOAD_TEMP_DIR = ASSAY_VAR / "scratch"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True, mode=0o700)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 << 20
DATA_UPLOAD_MAX_NUMBER_FILES = 2  # a file, and the credential that lies beside it

# --- Background work ---------------------------------------------------------------------------------------------
CELERY_BROKER_URL = _secret("ASSAY_BROKER_URL", "filesystem://localhost/")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
# By cost (`core.jobs`): a worker takes all of them unless it is told which (`manage.py up`).
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in ("urgent", "celery", "detect", "infer")]
if CELERY_BROKER_URL.startswith("filesystem:"):
    _queue = ASSAY_VAR / "queue"
    _queue.mkdir(exist_ok=True, mode=0o700)
    (_queue / "control").mkdir(exist_ok=True, mode=0o700)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.1,
    }
CELERY_BEAT_SCHEDULE_FILENAME = str(ASSAY_VAR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "core.sweep", "schedule": 5.0},
    "orphans": {"task": "core.sweep_orphans", "schedule": 86_400.0},
    "clocks": {"task": "policy.strike", "schedule": 60.0},
    "erasures": {"task": "ledger.complete_erasures", "schedule": 86_400.0},
    "stamps": {"task": "ledger.stamp", "schedule": 3600.0},
    "alarms": {"task": "policy.tell_alarms", "schedule": 60.0},
    "hooks": {"task": "policy.serve_hooks", "schedule": 60.0},
    "retention": {"task": "policy.retain", "schedule": crontab(hour=4, minute=23)},  # UTC
    "kept_reports": {"task": "provenance.expire_reports", "schedule": 3600.0},
    "drift": {"task": "detection.watch_drift", "schedule": 3600.0},
    "audit": {"task": "ledger.audit", "schedule": crontab(hour=3, minute=17)},  # UTC
}

# --- People ------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/desk/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_SIGNUP_FORM_CLASS = None
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = ASSAY_OFFICE_NAME
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if env.str("ASSAY_SMTP_HOST", "")
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = ASSAY_VAR / "mail"
EMAIL_HOST = env.str("ASSAY_SMTP_HOST", "localhost")
EMAIL_PORT = env.int("ASSAY_SMTP_PORT", 587)
EMAIL_HOST_USER = env.str("ASSAY_SMTP_USER", "")
EMAIL_HOST_PASSWORD = _secret("ASSAY_SMTP_PASSWORD")
EMAIL_TIMEOUT = 20  # seconds; a mail server that hangs must not hold a worker
EMAIL_USE_TLS = env.bool("ASSAY_SMTP_TLS", True)
DEFAULT_FROM_EMAIL = env.str("ASSAY_MAIL_FROM", f"{ASSAY_OFFICE_NAME} <office@{ASSAY_HOST or 'localhost'}>")

# --- API -----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.tokens.MachineTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.DenyUnlessAllowed"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.json_parser.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "core.http.ByNewest",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.http.drf_problem_handler",
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.UserRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": "120/min",
        "user": "1200/min",
        "notices": "30/hour",
        "pin": "20/hour",
        "kept": "30/hour",
    },
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    # Whose X-Forwarded-For is believed when limits are counted per address: our own proxy's, or nobody's.
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
}
REST_KNOX = {"TOKEN_MODEL": "accounts.MachineToken", "TOKEN_PREFIX": "assay_", "AUTO_REFRESH": False}
# knox's own token model is swapped for ours, so its migrations would only make a table that nothing uses.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "accounts.MachineToken"  # noqa: S105 - a model's name
SPECTACULAR_SETTINGS = {
    "TITLE": "Assay",
    "VERSION": "1",
    "DESCRIPTION": "Register, verify and examine media; report it; read the public log.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Category": "policy.models.Category",
        "Recipient": "policy.models.Affected",
        "DecisionOutcome": "policy.models.Decision.Outcome",
        "DecisionState": "policy.models.Decision.State",
        "DecisionGround": "policy.models.Decision.Ground",
        "BasisGround": "policy.models.ProcessingBasis.Ground",
        "HashEntryState": "policy.models.HashEntry.State",
        "AppealOutcome": "policy.models.Appeal.Outcome",
        "AppealState": "policy.models.Appeal.State",
        "OutOfCourtOutcome": "policy.models.OutOfCourt.Outcome",
        "CaseState": "policy.models.Case.State",
        "ConsentState": "policy.models.Consent.State",
        "NoticeState": "policy.models.Notice.State",
        "NoticeKind": "policy.models.Notice.Kind",
        "AssetKind": "provenance.models.Asset.Kind",
        "ConsentPurpose": "policy.models.Purpose",
        "Place": "policy.law.rules.JURISDICTIONS.items",
        "ClockState": "policy.models.Clock.State",
        "RunState": "detection.models.Run.State",
        "JobState": "core.models.Job.State",
        "WebhookState": "policy.models.Webhook.State",
        "WebhookSigning": "policy.models.Webhook.Signing",
        "DeliveryState": "policy.models.HookDelivery.State",
        "AssetState": "provenance.models.Asset.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.schema.document_problems",
    ],
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# --- Headers -----------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "media-src": ["'self'", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = SECURE and env.bool("ASSAY_TLS_REDIRECT", True)
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_FAILURE_VIEW = "core.http.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Language and time -------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("ASSAY_TIME_ZONE", "UTC")

# --- Logs ----------------------------------------------------------------------------------------------------------
DJANGO_STRUCTLOG_USER_ID_FIELD = "pk"
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
# A refused request is no event for the log, and its path may hold the secret of a link.
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "core.logs.Formatter", "json": env.bool("ASSAY_LOG_JSON", not DEMO)}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("ASSAY_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # scanners; the answer is 400
        "django_structlog": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "kombu": {"level": "WARNING"},
        "PIL": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
    },
}
