/* Is this built with a sanitizer? */
#ifndef MUSTER_TESTS_SUPPORT_SANITIZED_H
#define MUSTER_TESTS_SUPPORT_SANITIZED_H

#include <stdbool.h>

/* A sanitizer has memory, and ends, of its own: what a test says of these is not looked at then. And it takes its time:
 * of what is tried at every place, the plain build tries all, and it a part. */
#if defined(__has_feature) /* clang's word for it; the others are gcc's */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifdef SANITIZED
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#endif
