/* route_secrets.h - the secrets and signing keys that a route may have, as text (Standard Webhooks
 * 1.0): of what form they must be, and the public part of a signing key.
 *
 *   secret       "whsec_" and the base64 of 24 to 64 bytes
 *   signing key  "whsk_" and the base64 of 64 bytes: the 32 of an ed25519 private key (RFC 8032, the
 *                seed), and the 32 of its public one
 *   public key   "whpk_" and the base64 of these last 32
 *
 * Whether the two halves of a signing key belong together takes arithmetic, and is asked elsewhere
 * (client/callback/route_keys.h). Pure, any thread; says nothing of what it refuses. */
#ifndef ROUTE_SECRETS_H
#define ROUTE_SECRETS_H

#include "protocol.h"

/* Begins as a secret does, and is no longer than one can be. All that was asked once: old logs may
 * hold secrets that are no good. */
bool route_secret_is_plausible(struct slice secret);
/* A signing key in the one form that its bytes have: 93 characters. */
bool route_signing_key_is_good(struct slice key);
/* Its public key as a string. The key must be good. */
#define ROUTE_PUBLIC_KEY_SIZE 50
void route_signing_key_public(struct slice key, char out[ROUTE_PUBLIC_KEY_SIZE]);
/* A public key's form. */
bool route_public_key_is_good(struct slice key);
/* The signing key of a route that this is the public key of; empty: it has none. */
struct slice route_signing_key_find(const struct route_settings *settings, struct slice public_key);

#endif
