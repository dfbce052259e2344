/*
 * The decent end of a connection whose body we refused to read. Closing a socket with unread bytes resets it, and the
 * reset destroys the answer on its way. So a duplicate of the descriptor stays open for a moment: what still arrives
 * is thrown away until the client has seen the answer and closes. The loop's thread only.
 */
#ifndef MUSTER_API_LINGER_H
#define MUSTER_API_LINGER_H

#include <stdint.h>

struct lingering;

struct lingering *linger_new(int epoll_fd);
void linger_free(struct lingering *l); /* closes what lingers; accepts NULL */

/* Keep what fd stands for a little longer. Too many at once: this one just closes. */
void linger_add(struct lingering *l, int fd, int64_t now_ms);

int64_t linger_next_deadline(const struct lingering *l); /* -1 = none */
void linger_expire(struct lingering *l, int64_t now_ms);

#endif
