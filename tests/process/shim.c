/*
 * Faults in what one process does with the files below one directory; see shim.py for what can be asked for.
 *
 * Loaded before the C library (LD_PRELOAD), it stands between the program and the calls that change files. Unlike
 * strace it counts the calls of all threads together, and can do with the bytes what a disk would do.
 *
 * FAULT_UNDER is the directory. FAULT_PLAN is a file with one line, which is read at every call that matches:
 *
 *     SERIAL CALL ACTION FIRST ONWARDS ARGUMENT
 *
 * The ACTION is taken at the FIRST matching call since the line changed or, if ONWARDS is 1, from that one on. CALL is
 * the name of a function, or "any". What was done is appended to the file FAULT_PLAN.done, a line for each call.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FS_IOC_SHUTDOWN 0x8004587dUL
#define NO_LOG_FLUSH 2

struct plan {
    char call[32];
    char action[32];
    long first;
    long onwards;
    long argument;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_line[256];
static long count;

/* The file itself is read and written past the functions below. */
static void read_plan(char *line, size_t size)
{
    int fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_PLAN"), O_RDONLY | O_CLOEXEC);
    long length = fd < 0 ? 0 : syscall(SYS_read, fd, line, size - 1);
    line[length < 0 ? 0 : length] = 0;
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static void note(const char *call, const char *action, const char *path)
{
    char name[PATH_MAX], line[PATH_MAX + 100];
    snprintf(name, sizeof name, "%s.done", getenv("FAULT_PLAN"));
    int length = snprintf(line, sizeof line, "%s %s %s\n", call, action, path);
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

static int is_below(const char *path)
{
    const char *under = getenv("FAULT_UNDER");
    size_t length = under == NULL ? 0 : strlen(under);
    return length > 0 && strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether something is to be done at this call; if so, what. */
static int is_due(const char *call, const char *path, struct plan *plan)
{
    char line[sizeof last_line];
    int due = 0;
    if (!is_below(path))
        return 0;
    pthread_mutex_lock(&mutex);
    read_plan(line, sizeof line);
    if (strcmp(line, last_line) != 0) {
        strcpy(last_line, line);
        count = 0;
    }
    if (sscanf(line, "%*s %31s %31s %ld %ld %ld", plan->call, plan->action, &plan->first, &plan->onwards,
               &plan->argument) == 5 &&
        (strcmp(plan->call, "any") == 0 || strcmp(plan->call, call) == 0)) {
        count += 1;
        due = count == plan->first || (plan->onwards && count > plan->first);
    }
    if (due)
        note(call, plan->action, path);
    pthread_mutex_unlock(&mutex);
    return due;
}

static int is_due_at(const char *call, int fd, struct plan *plan)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_due(call, path, plan);
}

static int is(const struct plan *plan, const char *action)
{
    return strcmp(plan->action, action) == 0;
}

static void cut_power(void)
{
    int how = NO_LOG_FLUSH;
    int fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_UNDER"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ioctl(fd, FS_IOC_SHUTDOWN, &how) != 0)
        abort();
    syscall(SYS_close, fd);
}

/* What can be done at any call. Returns 1 where the call itself is to be made nevertheless, otherwise its result is in
   *result. */
static int goes_on(const struct plan *plan, int *result)
{
    *result = 0;
    if (is(plan, "error")) {
        errno = plan->argument;
        *result = -1;
        return 0;
    }
    if (is(plan, "lie"))
        return 0;
    if (is(plan, "slow"))
        usleep(plan->argument * 1000);
    if (is(plan, "cut"))
        cut_power();
    return 1;
}

/* The ARGUMENT of what is done to a write is a place in its bytes, in thousandths of their number. */
ssize_t write(int fd, const void *data, size_t size)
{
    struct plan plan;
    int result;
    if (!is_due_at("write", fd, &plan))
        return syscall(SYS_write, fd, data, size);
    size_t place = size * plan.argument / 1000;
    if (is(&plan, "short"))
        return syscall(SYS_write, fd, data, place > 0 ? place : 1);
    if (is(&plan, "torn")) {
        syscall(SYS_write, fd, data, place);
        kill(getpid(), SIGKILL);
        pause();
    }
    if (is(&plan, "flip")) {
        char *copy = malloc(size);
        memcpy(copy, data, size);
        copy[place] ^= 1;
        ssize_t written = syscall(SYS_write, fd, copy, size);
        free(copy);
        return written;
    }
    if (!goes_on(&plan, &result))
        return result;
    return syscall(SYS_write, fd, data, size);
}

int fdatasync(int fd)
{
    struct plan plan;
    int result;
    if (is_due_at("fdatasync", fd, &plan) && !goes_on(&plan, &result))
        return result;
    return syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    struct plan plan;
    int result;
    if (is_due_at("fsync", fd, &plan) && !goes_on(&plan, &result))
        return result;
    return syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size)
{
    struct plan plan;
    int result;
    if (is_due_at("ftruncate", fd, &plan) && !goes_on(&plan, &result))
        return result;
    return syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int rename(const char *source, const char *target)
{
    struct plan plan;
    int result;
    if (is_due("rename", target, &plan) && !goes_on(&plan, &result))
        return result;
    return syscall(SYS_renameat, AT_FDCWD, source, AT_FDCWD, target);
}
