from django.apps import AppConfig
from django.db.models import Model


class PolicyConfig(AppConfig):
    name = "policy"

    def ready(self) -> None:
        from core.health import register as register_check
        from core.storage import register_references
        from detection.permission import register_permission

        # They register what they do.
        from policy import checks, pipeline  # noqa: F401
        from policy.audits import exports
        from policy.consents import bases, consent
        from policy.deciding import hashlist, learning, statements, suspensions  # noqa: F401
        from policy.desk import children  # noqa: F401
        from policy.filing import attachments, counter_notices, court_actions, flags, misuse  # noqa: F401
        from policy.hooks import webhooks  # noqa: F401
        from policy.law import rules
        from policy.mail import deliveries, letters, operators  # noqa: F401
        from policy.rights import breaches, data_rights  # noqa: F401
        from policy.transparency import reports  # noqa: F401
        from provenance.restriction import (
            register_blocklist,
            register_copy_watch,
            register_hash_list,
            register_upload_refusal,
        )

        register_references(exports.stored_keys)
        register_references(attachments.stored_keys)
        register_blocklist(consent.leave_out_withheld)
        register_blocklist(flags.leave_out_copies)
        register_copy_watch(flags.flag_copy)
        register_hash_list(hashlist.blocked)
        register_upload_refusal(suspensions.refuse_upload)
        register_permission(bases.permission)
        register_check(bases.check)
        register_check(rules.check, costly=True)
        learning.register()
        _regulate()
        _reconcile()


def _regulate() -> None:
    from ledger import regulated
    from policy import models

    whole: tuple[type[Model], ...] = (
        *(models.Depiction, models.Consent, models.ConsentEvent, models.Flag),
        *(models.Decision, models.Action, models.Appeal, models.MediaView),
        *(models.DataRequest, models.Hold, models.RegulatorAccount),
        *(models.Consultation, models.ConsultationMessage, models.Referral),
        *(models.Signal, models.ProcessingBasis, models.TrustedFlagger, models.Attachment),
        *(models.AppealMessage, models.OutOfCourt, models.CounterNotice, models.HashEntry),
        *(models.Suspension, models.Strike, models.Misuse),
        *(models.ReviewerProfile, models.Recusal, models.DeclaredConflict, models.SecondReview),
        *(models.PackVersion, models.PackApproval, models.Breach, models.BreachParty),
        *(models.RegisterEntry, models.ResearchAccess, models.TransparencyReport, models.Figure),
        *(models.Proposal, models.Comment),
    )
    for model in whole:
        regulated.register(model)
    # What beat notes of its own progress.
    regulated.register(models.Webhook, but=("failures", "seen"))
    # How far the building of a bundle is.
    regulated.register(models.Export, but=("progress",))
    regulated.register(models.Person)
    regulated.register(models.Notice, but=("wrong_pins", "locked_until"))
    # What orders the queue follows from clocks, which some end by the hour alone.
    regulated.register(models.Case, but=("next_due_at", "next_rule_id", "queue_at"))
    regulated.register(models.StatementOfReasons, but=("delivered_at", "exported_at"))
    regulated.register(models.TdbSubmission, but=("errors",))
    # Some clocks end by the hour alone; how long they run is computed once (I13).
    regulated.register(models.Clock, but=("state", "ended_at"))


def _reconcile() -> None:
    from ledger.reconciliation import register
    from policy.audits import (
        reconciliation,
        reconciliation_appeals,
        reconciliation_notices,
        reconciliation_public,
        reconciliation_register,
        reconciliation_regulators,
        reconciliation_reports,
        reconciliation_rights,
        reconciliation_rules,
        reconciliation_sanctions,
    )

    register("answers", reconciliation.answers)
    register("cases", reconciliation.cases)
    register("decisions", reconciliation.decisions)
    register("appeals", reconciliation_appeals.appeals)
    register("notices", reconciliation_notices.notices)
    register("sanctions", reconciliation_sanctions.sanctions)
    register("desk", reconciliation.desk)
    register("rights", reconciliation_rights.rights)
    register("regulators", reconciliation_regulators.regulators)
    register("packs", reconciliation_rules.packs)
    register("deadlines", reconciliation_rules.deadlines)
    register("webhooks", reconciliation_public.webhooks)
    register("submissions", reconciliation_public.submissions)
    register("consultations", reconciliation_public.consultations)
    register("register_of_notices", reconciliation_register.rows)
    register("figures", reconciliation_reports.figures)
