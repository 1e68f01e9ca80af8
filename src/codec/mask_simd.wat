;; Masking (RFC 6455, section 5.3) by SIMD instructions, 64 octets at a time.
;; `deno task wasm` assembles this file to mask_wasm.ts.
(module
  (memory (export "memory") 1) ;; one page of 64 KiB

  ;; Masks memory from $position on, up to $end or at most 63 octets past it.
  ;; The first octet of the masking key is the lowest one of $key, as memory is little-endian.
  (func (export "mask") (param $position i32) (param $end i32) (param $key i32)
    (local $keys v128)
    (local.set $keys (i32x4.splat (local.get $key)))
    (loop $block
      (v128.store (local.get $position)
        (v128.xor (v128.load (local.get $position)) (local.get $keys)))
      (v128.store offset=16 (local.get $position)
        (v128.xor (v128.load offset=16 (local.get $position)) (local.get $keys)))
      (v128.store offset=32 (local.get $position)
        (v128.xor (v128.load offset=32 (local.get $position)) (local.get $keys)))
      (v128.store offset=48 (local.get $position)
        (v128.xor (v128.load offset=48 (local.get $position)) (local.get $keys)))
      (br_if $block
        (i32.lt_u
          (local.tee $position (i32.add (local.get $position) (i32.const 64)))
          (local.get $end))))))
