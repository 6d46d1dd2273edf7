"""Pages: the public ones, the creator's, the account's. Others: `web/urls_process.py`,
`web/urls_regulator.py`, `web/urls_public.py`."""

from django.urls import URLPattern, URLResolver, include, path

from web import assets, desk, login_links, office, receipts, register, studio, tokens, verify

urlpatterns: list[URLPattern | URLResolver] = [
    path("", verify.home, name="home"),
    path("verify/keep/", verify.keep, name="verify_keep"),
    path("verify/report.json", verify.download, {"form": "report"}, name="verify_report_json"),
    path("verify/crjson.json", verify.download, {"form": "crjson"}, name="verify_crjson"),
    path("verify/kept/<uuid:pk>/", verify.kept_report, name="verify_kept"),
    path("verify/<str:sha256>/", verify.by_hash, name="verify"),
    path("assets/<uuid:pk>/", assets.public_page, name="asset"),
    path("assets/<uuid:pk>/receipt/", receipts.receipt, name="asset_receipt"),
    path("assets/<uuid:pk>/receipt.json", receipts.receipt_json, name="asset_receipt_json"),
    path("assets/<uuid:pk>/receipt.tlog-proof", receipts.receipt_proof, name="asset_receipt_proof"),
    path("assets/<uuid:pk>/receipt.cose", receipts.receipt_cose, name="asset_receipt_cose"),
    path("assets/<uuid:pk>/acknowledgement.json", receipts.acknowledgement, name="asset_acknowledgement"),
    path("assets/<uuid:pk>/file/", assets.signed_file, name="asset_file"),
    path("assets/<uuid:pk>/preview/", assets.preview, name="asset_preview"),
    path("assets/<uuid:pk>/heat/<uuid:finding>/", assets.heat_map, name="asset_heat_map"),
    path("register/", register.register, name="register"),
    path("detectors/", office.detectors, name="detectors"),
    path("detectors/<slug:name>/", office.detector_card, name="detector_card"),
    path("problems/<str:code>/", office.problem, name="problem"),
    path("healthz", office.healthz, name="healthz"),
    path("robots.txt", office.robots, name="robots"),
    path("favicon.ico", office.favicon, name="favicon"),
    path("enter/<str:secret>/", login_links.enter, name="login_link"),
    path("desk/", desk.desk, name="desk"),
    path("studio/", studio.works, name="studio"),
    path("studio/new/", studio.new, name="studio_new"),
    path("studio/new/fingerprint/", studio.new_by_hash, name="studio_new_hash"),
    path("studio/<uuid:pk>/", studio.work, name="studio_work"),
    path("jobs/<uuid:pk>/", desk.job, name="job"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/revoke/", tokens.revoke, name="token_revoke"),
    path("", include("web.urls_process")),
    path("", include("web.urls_regulator")),
    path("", include("web.urls_public")),
]
