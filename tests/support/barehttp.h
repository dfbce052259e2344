/*
 * The limit that benchmarks measure against: libmicrohttpd with nothing around it, reading each body and answering 200,
 * in the same external loop as our server.
 */
#ifndef MUSTER_TESTS_BAREHTTP_H
#define MUSTER_TESTS_BAREHTTP_H

/* Serve 127.0.0.1 on any free port, written to *port, on a thread that lasts as long as the process. 0, or -1. */
int bare_serve(int *port);

#endif
