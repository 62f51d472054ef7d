/* A disk that forgets what was never synced: an LD_PRELOAD library for one SQLite file and what belongs to it.
 *
 * kill -9 leaves the page cache alone, so it cannot show a missing fsync; a power cut can.
 * This library sees every write, truncate, sync and unlink of the files whose path begins with $UNSYNCED_FILE
 * (the database, its -wal, its -journal; not the -shm, which is never durable), carries them out, and keeps in
 * the folder $UNSYNCED_SHADOW, by base name:
 *
 *   NAME       the content as of the last fsync or fdatasync of that file that returned; absent before the first
 *   NAME.log   what was written since: records of (offset, length, bytes), or (new size, -1) for a truncate
 *   NAME.gone  the synced content of a file that was unlinked, while nothing has been synced since
 *   counts     seven 64-bit counters: writes, truncates, syncs, unlinks, syncs of the folder, bytes, untold
 *
 * bench/power.py cuts the power: it kills the process and makes the files from NAME and a part of NAME.log.
 * A process killed inside a sync leaves NAME half renewed and NAME.log whole, and the sync had not returned:
 * a disk may do the same.
 * Build: gcc -shared -fPIC -O2 -o unsynced.so unsynced.c -ldl -lpthread
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES, TRUNCATES, SYNCS, UNLINKS, FOLDER_SYNCS, BYTES, UNTOLD, COUNTERS };

struct record {
    int64_t offset;
    int64_t length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *tracked; /* the path of the database */
static const char *shadow;
static char folder[PATH_MAX];
static uint64_t nowhere[COUNTERS];
static uint64_t *counts = nowhere;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off64_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_ftruncate64)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

static void begin(void)
{
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_pwrite64 = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_ftruncate64 = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    tracked = getenv("UNSYNCED_FILE");
    shadow = getenv("UNSYNCED_SHADOW");
    if (!tracked || !shadow) {
        tracked = NULL;
        return;
    }
    snprintf(folder, sizeof folder, "%s", tracked);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/counts", shadow);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    struct stat st;
    size_t size = sizeof nowhere;
    if (fstat(fd, &st) == 0 && (st.st_size >= (off_t)size || real_ftruncate(fd, size) == 0)) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED)
            counts = map;
    }
    close(fd);
}

static void start(void) { pthread_once(&once, begin); }

/* The base name of a tracked path, NULL for any other. */
static const char *name_of(const char *path)
{
    if (!tracked || strncmp(path, tracked, strlen(tracked)) != 0)
        return NULL;
    size_t length = strlen(path);
    if (length >= 4 && strcmp(path + length - 4, "-shm") == 0)
        return NULL;
    if (length >= 10 && strcmp(path + length - 10, " (deleted)") == 0)
        return NULL;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The path of an open file in `path`; 0 when it has none. */
static int path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return 1;
}

static int open_shadow(const char *name, const char *suffix, int flags)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s%s", shadow, name, suffix);
    return open(path, flags | O_CLOEXEC, 0644);
}

static void wrote(int fd, const void *data, int64_t offset, int64_t length)
{
    char path[PATH_MAX];
    if (!tracked || !path_of(fd, path))
        return;
    const char *name = name_of(path);
    if (!name)
        return;
    struct record record = {offset, length};
    pthread_mutex_lock(&lock);
    int log = open_shadow(name, ".log", O_WRONLY | O_CREAT | O_APPEND);
    struct iovec parts[2] = {{&record, sizeof record}, {(void *)data, length < 0 ? 0 : (size_t)length}};
    if (log < 0 || writev(log, parts, length < 0 ? 1 : 2) < 0)
        counts[UNTOLD]++;
    if (log >= 0)
        close(log);
    counts[length < 0 ? TRUNCATES : WRITES]++;
    counts[BYTES] += length < 0 ? 0 : (uint64_t)length;
    pthread_mutex_unlock(&lock);
}

/* What was unlinked stays unlinked: a journalling file system carries its names out in order. */
static void forget_the_unlinked(void)
{
    static const char *const endings[] = {"", "-journal", "-wal"};
    const char *base = strrchr(tracked, '/');
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s%s.gone", shadow, base ? base + 1 : tracked, endings[i]);
        real_unlink(path);
    }
}

/* Bring the shadow up to what is durable now. */
static void apply(const char *name)
{
    int log = open_shadow(name, ".log", O_RDWR | O_CREAT);
    int to = open_shadow(name, "", O_WRONLY | O_CREAT);
    struct record record;
    int whole = log >= 0 && to >= 0;
    while (whole && read(log, &record, sizeof record) == (ssize_t)sizeof record) {
        if (record.length < 0) {
            whole = real_ftruncate(to, record.offset) == 0;
            continue;
        }
        char *data = malloc(record.length ? record.length : 1);
        whole = data && read(log, data, record.length) == record.length
            && real_pwrite(to, data, record.length, record.offset) == record.length;
        free(data);
    }
    if (!whole || real_ftruncate(log, 0) != 0)
        counts[UNTOLD]++;
    if (log >= 0)
        close(log);
    if (to >= 0)
        close(to);
}

static void synced(int fd)
{
    char path[PATH_MAX];
    if (!tracked || !path_of(fd, path))
        return;
    const char *name = name_of(path);
    int is_folder = strcmp(path, folder) == 0;
    if (!name && !is_folder)
        return;
    pthread_mutex_lock(&lock);
    if (name)
        apply(name);
    forget_the_unlinked();
    counts[name ? SYNCS : FOLDER_SYNCS]++;
    pthread_mutex_unlock(&lock);
}

static void unlinked(const char *path)
{
    const char *name = name_of(path);
    if (!name)
        return;
    char from[PATH_MAX], to[PATH_MAX];
    pthread_mutex_lock(&lock);
    snprintf(from, sizeof from, "%s/%s", shadow, name);
    snprintf(to, sizeof to, "%s/%s.gone", shadow, name);
    real_rename(from, to);
    snprintf(from, sizeof from, "%s/%s.log", shadow, name);
    real_unlink(from);
    counts[UNLINKS]++;
    pthread_mutex_unlock(&lock);
}

/* ------------------------------------------------------------------ what SQLite calls */

ssize_t write(int fd, const void *data, size_t length)
{
    start();
    ssize_t done = real_write(fd, data, length);
    if (tracked && done > 0) {
        int saved = errno;
        off_t end = lseek(fd, 0, SEEK_CUR);
        if (end >= done)
            wrote(fd, data, end - done, done);
        errno = saved;
    }
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    start();
    ssize_t done = real_pwrite(fd, data, length, offset);
    if (done > 0)
        wrote(fd, data, offset, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    start();
    ssize_t done = real_pwrite64(fd, data, length, offset);
    if (done > 0)
        wrote(fd, data, offset, done);
    return done;
}

int ftruncate(int fd, off_t size)
{
    start();
    int failed = real_ftruncate(fd, size);
    if (!failed)
        wrote(fd, NULL, size, -1);
    return failed;
}

int ftruncate64(int fd, off64_t size)
{
    start();
    int failed = real_ftruncate64(fd, size);
    if (!failed)
        wrote(fd, NULL, size, -1);
    return failed;
}

int fsync(int fd)
{
    start();
    int failed = real_fsync(fd);
    if (!failed)
        synced(fd);
    return failed;
}

int fdatasync(int fd)
{
    start();
    int failed = real_fdatasync(fd);
    if (!failed)
        synced(fd);
    return failed;
}

int unlink(const char *path)
{
    start();
    int failed = real_unlink(path);
    if (!failed && tracked)
        unlinked(path);
    return failed;
}

int rename(const char *from, const char *to)
{
    start();
    if (tracked && (name_of(from) || name_of(to)))
        counts[UNTOLD]++; /* SQLite never renames its files; if it began to, this proof would not hold */
    return real_rename(from, to);
}
