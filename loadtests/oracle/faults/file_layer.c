/* A layer between a process and its files, loaded with LD_PRELOAD.

   It journals what happens to the files under one directory (writes, truncations, syncs, new and removed names) for a power
   cut to be computed from, and does what a shared control block asks: slow syncs, slow writes, a clock that is off. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 4096

/* Written by file_layer.py, read here at every call. */
struct control {
    int64_t clock_offset_us;
    uint32_t sync_delay_us;
    uint32_t write_delay_us_per_mib;
};

/* One line of the journal; the path and the written bytes follow it. */
struct record {
    char kind; /* W write, T truncate, S sync, C new name, U removed name, R renamed */
    char unused[3];
    uint32_t path_bytes;
    uint64_t offset; /* for T the new length, for S when it began (CLOCK_MONOTONIC) */
    uint64_t data_bytes;
    uint64_t at_ns; /* CLOCK_MONOTONIC, when it was done */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[DESCRIPTORS];
static const char *directory;
static size_t directory_bytes;
static int journal = -1;
static struct control *control;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void begin(void) {
    const char *journal_path = getenv("FILE_LAYER_JOURNAL"), *control_path = getenv("FILE_LAYER_CONTROL");
    directory = getenv("FILE_LAYER_DIRECTORY");
    directory_bytes = directory ? strlen(directory) : 0;
    REAL(int, "open64", const char *, int, ...);
    if (journal_path && *journal_path) journal = real(journal_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int shared = control_path ? real(control_path, O_RDONLY | O_CLOEXEC) : -1;
    if (shared >= 0) {
        void *block = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, shared, 0);
        if (block != MAP_FAILED) control = block;
        close(shared);
    }
}

static int real_clock(clockid_t clock, struct timespec *moment) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    return real(clock, moment);
}

static void note(char kind, const char *path, uint64_t offset, const void *data, uint64_t data_bytes) {
    if (journal < 0) return;
    int saved = errno;
    struct timespec now;
    real_clock(CLOCK_MONOTONIC, &now);
    struct record record = {.kind = kind,
                            .path_bytes = (uint32_t)strlen(path),
                            .offset = offset,
                            .data_bytes = data_bytes,
                            .at_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)path, record.path_bytes}, {(void *)data, data_bytes}};
    pthread_mutex_lock(&lock);
    ssize_t wanted = (ssize_t)(sizeof record + record.path_bytes + data_bytes);
    if (writev(journal, parts, data_bytes ? 3 : 2) != wanted) abort(); /* a journal with a hole proves nothing */
    pthread_mutex_unlock(&lock);
    errno = saved;
}

static const char *path_of(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS ? paths[descriptor] : NULL;
}

static int is_watched(const char *path) {
    if (!directory || strncmp(path, directory, directory_bytes) != 0) return 0;
    if (path[directory_bytes] != '/' && path[directory_bytes] != 0) return 0;
    size_t length = strlen(path);
    return length < 4 || strcmp(path + length - 4, "-shm") != 0; /* SQLite's index of the log: rebuilt, never relied upon */
}

static void pause_us(uint64_t microseconds) {
    if (!microseconds) return;
    struct timespec rest = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
    nanosleep(&rest, NULL);
}

/* Slow disks take their time by bytes: short rests add up until one is worth sleeping for. */
static void pause_for_write(uint64_t bytes) {
    static __thread uint64_t owed;
    if (!control || !control->write_delay_us_per_mib) return;
    owed += bytes * control->write_delay_us_per_mib;
    if (owed >> 20 < 1000) return;
    pause_us(owed >> 20);
    owed &= (1 << 20) - 1;
}

static int opened(int descriptor, const char *name, int is_new) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS) return descriptor;
    char full[PATH_MAX];
    if (!realpath(name, full) || !is_watched(full)) return descriptor;
    free(paths[descriptor]);
    paths[descriptor] = strdup(full);
    if (is_new) note('C', full, 0, NULL, 0);
    return descriptor;
}

static int open_watched(const char *name, int flags, mode_t mode) {
    REAL(int, "open64", const char *, int, ...);
    int is_new = (flags & O_CREAT) && access(name, F_OK) != 0;
    int descriptor = opened(real(name, flags, mode), name, is_new);
    if (descriptor >= 0 && (flags & O_TRUNC) && path_of(descriptor)) note('T', path_of(descriptor), 0, NULL, 0);
    return descriptor;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_watched(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
    REAL(int, "close", int);
    if (descriptor >= 0 && descriptor < DESCRIPTORS && paths[descriptor]) {
        free(paths[descriptor]);
        paths[descriptor] = NULL;
    }
    return real(descriptor);
}

static ssize_t written(int descriptor, const void *data, ssize_t done, uint64_t offset) {
    if (done > 0 && path_of(descriptor)) {
        pause_for_write((uint64_t)done);
        note('W', path_of(descriptor), offset, data, (uint64_t)done);
    }
    return done;
}

ssize_t pwrite64(int descriptor, const void *data, size_t bytes, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return written(descriptor, data, real(descriptor, data, bytes, offset), (uint64_t)offset);
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset) { return pwrite64(descriptor, data, bytes, offset); }

ssize_t write(int descriptor, const void *data, size_t bytes) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t done = real(descriptor, data, bytes);
    if (done <= 0 || !path_of(descriptor)) return done;
    return written(descriptor, data, done, (uint64_t)(lseek(descriptor, 0, SEEK_CUR) - done));
}

int ftruncate64(int descriptor, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    int result = real(descriptor, length);
    if (result == 0 && path_of(descriptor)) note('T', path_of(descriptor), (uint64_t)length, NULL, 0);
    return result;
}

int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

/* A sync covers what was written before it began: another thread may write meanwhile. */
#define SYNC(name) \
    int name(int descriptor) { \
        REAL(int, #name, int); \
        struct timespec began; \
        real_clock(CLOCK_MONOTONIC, &began); \
        int result = real(descriptor); \
        if (!path_of(descriptor)) return result; \
        if (control) pause_us(control->sync_delay_us); \
        uint64_t began_ns = (uint64_t)began.tv_sec * 1000000000u + (uint64_t)began.tv_nsec; \
        if (result == 0) note('S', path_of(descriptor), began_ns, NULL, 0); \
        return result; \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *name) {
    REAL(int, "unlink", const char *);
    char full[PATH_MAX];
    int watched = realpath(name, full) && is_watched(full);
    int result = real(name);
    if (result == 0 && watched) note('U', full, 0, NULL, 0);
    return result;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    char before[PATH_MAX], after[PATH_MAX];
    int watched = realpath(from, before) && is_watched(before);
    int result = real(from, to);
    if (result == 0 && watched && realpath(to, after)) note('R', before, 0, after, strlen(after));
    return result;
}

/* The clock of the wall, off by as much as the control block says; intervals are measured with others. */

int clock_gettime(clockid_t clock, struct timespec *moment) {
    int result = real_clock(clock, moment);
    if (result == 0 && control && clock == CLOCK_REALTIME && control->clock_offset_us) {
        int64_t microseconds = moment->tv_sec * 1000000 + moment->tv_nsec / 1000 + control->clock_offset_us;
        moment->tv_sec = microseconds / 1000000;
        moment->tv_nsec = microseconds % 1000000 * 1000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict moment, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *moment) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (moment) *moment = now.tv_sec;
    return now.tv_sec;
}
