/* client_engine.h - nng's TLS by OpenSSL, a message a record (client_gather.h).
 *
 * nng leaves TLS to an engine, of which a process has one. Debian's nng brings mbedTLS: TLS 1.2 alone, and
 * 90 us for a message. In its place ours does TLS 1.2 and 1.3, ECDHE and AEAD only, and takes for servers,
 * for names and for CRLs what nng's own does; it knows no keys that are agreed beforehand (PSK).
 *
 * A configuration keeps the engine that it was made with. So what a program made of nng's TLS before stays
 * as it is; what it makes later is by OpenSSL as well. A program that registers an engine of its own keeps
 * it, and so does an nng whose engines are of a kind that was not known when this was compiled: the client
 * uses that one then. */
#ifndef CLIENT_ENGINE_H
#define CLIENT_ENGINE_H

/* Let the configurations that are made from now on be ours, where that may be. Any thread. */
void client_engine_use(void);

#endif
