# Shows the stack of a parked fiber (hazard 7): registers as the switch would load them, then bt. The program runs on
# afterwards with what it had before.
set debuginfod enabled off
set pagination off
break look_at
run
set $frame = (sennit::v0::detail::switch_frame *)((sennit::v0::detail::context *)$rdi)->sp
set $before_rsp = $rsp
set $before_rip = $rip
set $before_rbx = $rbx
set $before_rbp = $rbp
set $rbx = $frame->start
set $rbp = $frame->frame_pointer
set $rip = $frame->resume
set $rsp = (long)($frame + 1)
bt
set $rsp = $before_rsp
set $rip = $before_rip
set $rbx = $before_rbx
set $rbp = $before_rbp
continue
