;; The product of two matrices of 32-bit floats, 4 x 8 numbers of it at a time.
;;
;; The left matrix (rows, depth) is stored in slabs of 4 rows, the right one (depth, columns) in slabs
;; of 8 columns, both with depth as their outer axis, so that each step of the inner loop reads 4 and
;; 8 adjacent numbers. The product (rows, columns) is row-major. Rows are a multiple of 4, columns of
;; 8. A slab of the right matrix stays in the first-level cache while it is multiplied by all rows.

(module
  (import "page" "memory" (memory 1))
  (func (export "multiply")
    (param $left i32) (param $right i32) (param $product i32) ;; addresses in bytes
    (param $rows i32) (param $depth i32) (param $columns i32)
    (local $a i32) (local $b i32) (local $c i32) (local $stride i32)
    (local $row i32) (local $step i32)
    (local $x v128) (local $y v128) (local $z v128)
    (local $c00 v128) (local $c01 v128) (local $c10 v128) (local $c11 v128)
    (local $c20 v128) (local $c21 v128) (local $c30 v128) (local $c31 v128)

    local.get $columns
    i32.const 4
    i32.mul
    local.set $stride

    loop $slabs
      local.get $left
      local.set $a
      local.get $product
      local.set $c
      local.get $rows
      local.set $row

      loop $fours
        local.get $right
        local.set $b
        local.get $depth
        local.set $step
        v128.const i32x4 0 0 0 0
        local.tee $c00
        local.tee $c01
        local.tee $c10
        local.tee $c11
        local.tee $c20
        local.tee $c21
        local.tee $c30
        local.set $c31

        loop $inner
          local.get $b
          v128.load
          local.set $y
          local.get $b
          v128.load offset=16
          local.set $z

          local.get $a
          v128.load32_splat
          local.tee $x
          local.get $y
          f32x4.mul
          local.get $c00
          f32x4.add
          local.set $c00
          local.get $x
          local.get $z
          f32x4.mul
          local.get $c01
          f32x4.add
          local.set $c01

          local.get $a
          v128.load32_splat offset=4
          local.tee $x
          local.get $y
          f32x4.mul
          local.get $c10
          f32x4.add
          local.set $c10
          local.get $x
          local.get $z
          f32x4.mul
          local.get $c11
          f32x4.add
          local.set $c11

          local.get $a
          v128.load32_splat offset=8
          local.tee $x
          local.get $y
          f32x4.mul
          local.get $c20
          f32x4.add
          local.set $c20
          local.get $x
          local.get $z
          f32x4.mul
          local.get $c21
          f32x4.add
          local.set $c21

          local.get $a
          v128.load32_splat offset=12
          local.tee $x
          local.get $y
          f32x4.mul
          local.get $c30
          f32x4.add
          local.set $c30
          local.get $x
          local.get $z
          f32x4.mul
          local.get $c31
          f32x4.add
          local.set $c31

          local.get $a
          i32.const 16
          i32.add
          local.set $a
          local.get $b
          i32.const 32
          i32.add
          local.set $b
          local.get $step
          i32.const 1
          i32.sub
          local.tee $step
          br_if $inner
        end

        local.get $c
        local.get $c00
        v128.store
        local.get $c
        local.get $c01
        v128.store offset=16
        local.get $c
        local.get $stride
        i32.add
        local.tee $c
        local.get $c10
        v128.store
        local.get $c
        local.get $c11
        v128.store offset=16
        local.get $c
        local.get $stride
        i32.add
        local.tee $c
        local.get $c20
        v128.store
        local.get $c
        local.get $c21
        v128.store offset=16
        local.get $c
        local.get $stride
        i32.add
        local.tee $c
        local.get $c30
        v128.store
        local.get $c
        local.get $c31
        v128.store offset=16
        local.get $c
        local.get $stride
        i32.add
        local.set $c

        local.get $row
        i32.const 4
        i32.sub
        local.tee $row
        br_if $fours
      end

      local.get $product
      i32.const 32
      i32.add
      local.set $product
      local.get $right
      local.get $depth
      i32.const 32
      i32.mul
      i32.add
      local.set $right
      local.get $columns
      i32.const 8
      i32.sub
      local.tee $columns
      br_if $slabs
    end
  )
)
