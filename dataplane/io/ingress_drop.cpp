#include "io/ingress_drop.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::io {
namespace {

// linux/bpf.h of Linux 6.6; Debian 12's is older.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

// The filter that is ours among those of an interface.
constexpr std::uint32_t filter_handle = 0x77656674;  // "weft"
constexpr std::uint32_t filter_priority = 1;

/// The program's descriptor: drop whatever comes. -1 and errno: the kernel does not take it.
int load_program() {
  const bpf_insn drop_all[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K,
       .dst_reg = BPF_REG_0,
       .src_reg = 0,
       .off = 0,
       .imm = TC_ACT_SHOT},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "weft_drop", "Apache-2.0", drop_all,
                               std::size(drop_all), nullptr);
  return fd < 0 ? -1 : fd;
}

bpf_tc_hook ingress_of(int interface_index) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = interface_index;
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts our_filter() {
  bpf_tc_opts filter{};
  filter.sz = sizeof filter;
  filter.handle = filter_handle;
  filter.priority = filter_priority;
  return filter;
}

/// 0, or the negative error number.
int attach_filter(int interface_index, int program) {
  // What libbpf prints of a qdisc that is there already is no news.
  const auto print = libbpf_set_print(nullptr);
  bpf_tc_hook hook = ingress_of(interface_index);
  int error = bpf_tc_hook_create(&hook);
  if (error == 0 || error == -EEXIST) {
    bpf_tc_opts filter = our_filter();
    filter.prog_fd = program;
    filter.flags = BPF_TC_F_REPLACE;
    error = bpf_tc_attach(&hook, &filter);
  }
  libbpf_set_print(print);
  return error;
}

}  // namespace

Result<std::unique_ptr<IngressDrop>> IngressDrop::attach(const std::string& interface) {
  auto link = attach(interface, Means::link);
  return link ? std::move(link) : attach(interface, Means::filter);
}

Result<std::unique_ptr<IngressDrop>> IngressDrop::attach(const std::string& interface,
                                                         Means means) {
  const auto fail = [&](const char* what, int error) {
    return Error{
        fmt::format("cannot have the kernel drop what arrives at `{}`: {}: {}{}", interface, what,
                    std::strerror(error),
                    error == EPERM ? "; run as root, with CAP_BPF and CAP_NET_ADMIN" : "")};
  };
  const auto index = static_cast<int>(if_nametoindex(interface.c_str()));
  if (index == 0) return fail("interface", errno);
  const int program = load_program();
  if (program < 0) return fail("BPF program", errno);
  std::unique_ptr<IngressDrop> drop(new IngressDrop(index));
  int error = 0;
  if (means == Means::link) {
    drop->link_ = bpf_link_create(program, index, tcx_ingress, nullptr);
    if (drop->link_ < 0) error = errno;
  } else {
    error = -attach_filter(index, program);
  }
  close(program);  // what is attached holds it
  if (error == 0) return drop;
  drop->interface_index_ = 0;
  return fail(means == Means::link ? "BPF link" : "tc filter", error);
}

IngressDrop::~IngressDrop() {
  if (link_ >= 0) {
    close(link_);
  } else if (interface_index_ != 0) {
    const auto print = libbpf_set_print(nullptr);  // the interface may be gone
    bpf_tc_hook hook = ingress_of(interface_index_);
    const bpf_tc_opts filter = our_filter();
    bpf_tc_detach(&hook, &filter);
    libbpf_set_print(print);
  }
}

}  // namespace weft::io
