"""Registered works, the credentials they get, and what can be said about any file.

Who asks, and who is asked; imports run downwards.

Doors
    api, api_shapes            /api/v1/assets
    verification_api           /api/v1/verifications; report_shapes: what a report looks like
    kept_api, kept             reports behind lasting links
    resolution_api, resolution from a file without a credential back to its manifest
    delivery                   who may have a work's files
    urls, apps, tasks, checks  wiring
    management/commands        sign, verify, trust_lists, media_certificate, revoke_certificate

The register
    models                     works, their files, manifests and fingerprints; trust lists, revocations, kept reports
    registration, redaction    registering a work; adding to its credential or taking from it
    manifests                  which manifest of a work is in force, and where others find it
    places                     where a viewer is, as the office's own proxy says
    restriction                what the public sees of a work, and who may be led to it
    matching, codeindex        which registered works a file looks or sounds like
    reconciliation             works and what the log says about them

Judging
    verification               the report on one file: asks everything below
    judgement                  its nine verdicts
    credential, chain          what the credential says, about the file and about earlier ones
    validity                   when it was signed, and whether the certificate was in force
    codes, code_words          what each code of a validator means, and what to do
    ai_signals, likeness       generative models; whether the content is the one that was described
    detached, softbinding      a manifest without its file; fingerprints as a credential carries them
    manifest_reading           careful access to what the reader says
    vocabulary, dates          words and dates with a fixed meaning

Keys and trust
    authority, rotation        this office's certificates, and how they change hands
    certificates, tokens       issuing and reading certificates; keys in hardware
    stamping                   time-stamps
    trust, published_lists     whom the office believes, by which list, since when
    revocation                 certificates that do not count any more

Engine
    signing, assertions        signing a statement and reading it back; what a statement says
    guarded                    the way into a guarded child, where all untrusted bytes are read
    parsing                    what is done there
    c2pa, c2pa_native, c2pa_stamp, c2pa_views    the C2PA library, closed to the network
    past                       who vouched for a signer on a date in the past
    questions                  what a child may ask

Decoding, in guarded children
    media                      which kind of file it is, by its first bytes
    parts                      into how many parts it is divided, before anything reads them
    containers                 whether it is whole, before any decoder
    images, videos, sounds, documents            decoders
    fingerprints, chromaprint, framevectors      codes of what it shows or sounds like
    marking, watermark         the invisible mark
"""
