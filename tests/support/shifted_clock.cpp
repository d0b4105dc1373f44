/// To be preloaded: the wall clock runs ahead by the seconds that stand, as a 64-bit integer, in
/// the file that WEFT_CLOCK_SHIFT names. Whoever writes there sets the clock; the host's stays.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

std::int64_t shift_seconds() {
  static const auto* shift = [] {
    static const std::atomic<std::int64_t> none{0};
    const char* path = std::getenv("WEFT_CLOCK_SHIFT");
    const int file = path != nullptr ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void* at = file < 0 ? MAP_FAILED : mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    return at == MAP_FAILED ? &none : static_cast<const std::atomic<std::int64_t>*>(at);
  }();
  return shift->load(std::memory_order_relaxed);
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  static auto* const original = real<int(clockid_t, timespec*)>("clock_gettime");
  const int result = original(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += shift_seconds();
  }
  return result;
}

int gettimeofday(timeval* now, void* zone) noexcept {
  static auto* const original = real<int(timeval*, void*)>("gettimeofday");
  const int result = original(now, zone);
  if (result == 0) now->tv_sec += shift_seconds();
  return result;
}

time_t time(time_t* out) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
}
